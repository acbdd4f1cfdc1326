import assert from "node:assert/strict";
import { test } from "node:test";
import {
  attention,
  type Connected,
  connected,
  details,
  expiry,
  needsSomebody,
  standing,
  summary,
} from "../src/connections";
import type { Connection } from "../src/shapes";
import { connection, service } from "./stage";

const NOW = Date.parse("2026-05-01T12:00:00Z");
const SOON = "2026-05-04T12:00:00Z";
const PAST = "2026-04-28T12:00:00Z";

function one(more: Partial<Connection>): Connected {
  const [found] = connected([service("notion", [connection(more)])]);
  assert.ok(found);
  return found;
}

test("a service that is not connected is no connection", () => {
  assert.deepEqual(connected([service("notion"), service("github")]), []);
});

test("each instance is a connection, named as it is typed", () => {
  const found = connected([service("notion", [connection(), connection({ instance: "work" })])]);
  assert.deepEqual(
    found.map(({ name, title }) => [name, title]),
    [
      ["notion", "Notion"],
      ["notion@work", "Notion (work)"],
    ],
  );
});

test("services of one account are one connection, named after the account where that is a service", () => {
  const login = connection({ method: "oauth", account: "ada@example.com" });
  const found = connected([
    service("aws_s3", [login], { account: "aws" }),
    service("aws", [login], { account: "aws" }),
    service("aws_sqs", [login, connection({ instance: "work" })], { account: "aws" }),
    service("gmail", [login], { account: "google" }),
    service("drive", [login], { account: "google" }),
  ]);
  assert.deepEqual(
    found.map(({ name, services }) => [name, services.map((each) => each.service)]),
    [
      ["aws", ["aws", "aws_s3", "aws_sqs"]],
      ["aws_sqs@work", ["aws_sqs"]],
      ["gmail", ["gmail", "drive"]],
    ],
  );
});

test("how each status stands, and whether it needs somebody", () => {
  for (const [more, state, needs] of [
    [{}, "connected", false],
    [{ status: "untested" }, "untested", false],
    [{ status: "expired" }, "expired", true],
    [{ status: "expired", can_renew: true }, "connected", false],
    [{ status: "expired", can_renew: true, warnings: ["ends"] }, "ending", true],
    [{ warnings: ["the key ends"] }, "ending", true],
    [{ status: "untested", warnings: ["the key ends"] }, "ending", true],
    [{ status: "revoked" }, "ended", true],
    [{ status: "revoked", warnings: ["ends"] }, "ended", true],
    [{ status: "a novel one" }, "ended", true],
    [{ status: "incomplete" }, "incomplete", true],
  ] as const) {
    const found = one(more);
    assert.equal(standing(found), state, JSON.stringify(more));
    assert.equal(needsSomebody(found), needs, JSON.stringify(more));
  }
});

test("those that need somebody come first, then by title", () => {
  const found = connected([
    service("zulip", [connection({ status: "expired" })]),
    service("beta", [connection()]),
    service("alpha", [connection(), connection({ instance: "old", status: "revoked" })]),
  ]);
  assert.deepEqual(
    found.map(({ name }) => name),
    ["alpha@old", "zulip", "alpha", "beta"],
  );
});

test("the expiry is what a person has to know: key, then login, then token", () => {
  for (const [more, wanted] of [
    [{}, ""],
    [{ secret_expires_at: SOON, expires_at: PAST }, "key ends in 3 days"],
    [{ secret_expires_at: PAST }, "key ended 3 days ago"],
    [{ refresh_expires_at: SOON, expires_at: PAST }, "login ends in 3 days"],
    [
      { refresh_expires_at: SOON, can_extend: true, can_renew: true, expires_at: PAST },
      "renews itself",
    ],
    [{ expires_at: SOON }, "token ends in 3 days"],
    [{ expires_at: SOON, can_renew: true }, "renews itself"],
  ] as const) {
    assert.equal(expiry(one(more), NOW), wanted, JSON.stringify(more));
  }
});

test("the summary has account, state and expiry, what needs somebody first", () => {
  for (const [more, wanted] of [
    [{}, ""],
    [{ account: "ada" }, "ada"],
    [{ account: "ada", status: "untested" }, "ada · untested"],
    [{ account: "ada", expires_at: SOON, can_renew: true }, "ada · renews itself"],
    [{ account: "ada", status: "revoked" }, "revoked · ada"],
    [{ status: "incomplete" }, "incomplete"],
    [
      { account: "ada", status: "expired", expires_at: PAST },
      "expired · token ended 3 days ago · ada",
    ],
    [{ account: "ada", warnings: ["x"], secret_expires_at: SOON }, "key ends in 3 days · ada"],
    [{ account: "ada", warnings: ["x"], expires_at: SOON, can_renew: true }, "ends soon · ada"],
    [{ warnings: ["x"] }, "ends soon"],
  ] as const) {
    assert.equal(summary(one(more), NOW), wanted, JSON.stringify(more));
  }
});

test("the details have scopes, the other services, and warnings without their commands", () => {
  const warnings = ["the key ends in 3 days → arcrun setup aws"];
  const of = connection({
    scopes: ["write", "read"],
    warnings,
    account: "ada",
    secret_expires_at: SOON,
  });
  const found = connected([
    service("aws", [of]),
    service("aws_s3", [of], { account: "aws", display_name: "S3" }),
  ]);
  assert.ok(found[0]);
  assert.deepEqual(details(found[0], NOW), [
    "aws: ends soon",
    "Account: ada",
    "Way in: key",
    "Expiry: key ends in 3 days",
    "Scopes: read write",
    "Also: S3",
    "the key ends in 3 days",
  ]);
});

test("what somebody has to see to is a line each, with arcrun's own words where it has any", () => {
  const found = connected([
    service("notion", [connection({ warnings: ["the key ends in 3 days → arcrun setup notion"] })]),
    service("github", [connection({ status: "revoked", account: "ada" })]),
    service("stripe", [connection()]),
  ]);
  assert.deepEqual(attention(found, NOW), [
    "github: revoked · ada",
    "notion: the key ends in 3 days",
  ]);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { Unreadable } from "../src/faults";
import { parse, readList, readTest } from "../src/shapes";
import { connection, service } from "./stage";

test("an answer that is no JSON object of the known schema is refused", () => {
  for (const stdout of ["", "arcrun", "[1]", "null", "{}", '{"schema":2}', '{"schema":"1"}']) {
    assert.throws(() => parse(stdout), Unreadable, stdout);
  }
  assert.deepEqual(parse('{"schema":1,"services":[]}'), { schema: 1, services: [] });
});

test("fields that are not known are ignored", () => {
  const one = {
    ...service("notion", [{ ...connection(), device_local: true } as never]),
    novel: [1],
  };
  const [read] = readList({ services: [one], more: 1 }, "it").services;
  assert.deepEqual(read, service("notion", [connection()]));
});

test("what is missing or of another type is named", () => {
  const faulty = (change: object) => ({
    services: [service("a"), { ...service("b", [connection()]), ...change }],
  });
  for (const [change, wanted] of [
    [{ display_name: undefined }, "it.services[1].display_name is not text"],
    [{ connected: "yes" }, "it.services[1].connected is not true or false"],
    [{ methods: {} }, "it.services[1].methods is not a list"],
    [{ instances: [null] }, "it.services[1].instances[0] is not an object"],
    [
      { instances: [{ ...connection(), expires_at: "soon" }] },
      "it.services[1].instances[0].expires_at is not a time",
    ],
    [
      { instances: [{ ...connection(), warnings: [1] }] },
      "it.services[1].instances[0].warnings[0] is not text",
    ],
  ] as const) {
    assert.throws(
      () => readList(faulty(change), "it"),
      (error) => error instanceof Unreadable && error.message.includes(wanted),
    );
  }
});

test("no name of an answer reaches the prototype of what is read", () => {
  const read = readTest(
    JSON.parse('{"results":[{"name":"a","ok":true,"__proto__":{"account":"eve"}}]}') as object,
    "it",
  );
  assert.equal(read.results[0]?.account, null);
});

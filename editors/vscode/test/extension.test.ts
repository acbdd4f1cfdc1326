// What is shown: the tree, the status bar, the states.
import assert from "node:assert/strict";
import { join } from "node:path";
import { mock, test } from "node:test";
import type { Node } from "../src/tree";
import {
  ALL,
  children,
  desk,
  item,
  listing,
  node,
  stage,
  start,
  stop,
  STRIPE,
  view,
} from "./editor";
import { connection, PROGRAM, service, until } from "./stage";

const read = () => desk.status[0] ?? {};

test("the tree shows the connections, what needs somebody first, and is read aloud", async () => {
  await start();
  assert.deepEqual(
    children().map((each) => [item(each).label, item(each).description, item(each).contextValue]),
    [
      ["Github", "ends soon", "connection.attention"],
      ["Notion (work)", "revoked", "connection.attention"],
      ["Gmail", "", "connection"],
      ["Notion", "ada@example.com", "connection"],
    ],
  );
  const labels = children().map((each) => item(each).accessibilityInformation.label);
  assert.deepEqual(labels, [
    "Github, ends soon",
    "Notion (work), revoked",
    "Gmail, connected",
    "Notion, connected, ada@example.com",
  ]);
  assert.match(item(node("notion")).tooltip, /^notion: connected\nAccount: ada@example.com/);
  assert.equal(desk.context.get("arcrun.state"), "connected");
  assert.deepEqual(
    new Set(children().map((each) => item(each).iconPath.id)),
    new Set(["warning", "error", "pass-filled"]),
  );
});

test("services that share a login are below it, and nothing is below the others", async () => {
  await start();
  const below = children(node("gmail"));
  assert.deepEqual(
    below.map((each) => [item(each).label, item(each).contextValue]),
    [
      ["Gmail", "service"],
      ["Drive", "service"],
    ],
  );
  assert.equal(
    item(below[1] as Node).accessibilityInformation.label,
    "Drive, a service that Gmail connects",
  );
  assert.deepEqual(below.flatMap(children), []);
  assert.deepEqual(children(node("notion")), []);
  const ids = [...children(), ...below].map((each) => item(each).id);
  assert.equal(new Set(ids).size, ids.length);
});

test("what needs somebody stands in the status bar and at the view, and goes away again", async () => {
  await start();
  assert.equal(read()["shown"], true);
  assert.equal(read()["text"], "$(key) 2");
  assert.equal(
    read()["tooltip"],
    "arcrun: 2 connections to see to\ngithub: the key ends in 3 days\nnotion@work: revoked",
  );
  assert.match(
    read()["accessibilityInformation"].label,
    /^arcrun: 2 connections to see to\. github/,
  );
  assert.deepEqual(view()["badge"], { value: 2, tooltip: "2 connections to see to" });

  stage.plays(listing([service("stripe", [connection()])]));
  await desk.run("arcrun.refresh");
  assert.equal(read()["shown"], false);
  assert.equal(view()["badge"], undefined);
});

test("nothing connected, no arcrun and one that fails are three different states", async () => {
  await start(listing([STRIPE]));
  assert.equal(desk.context.get("arcrun.state"), "empty");

  stage.plays({
    "list --json": {
      json: { error: { type: "StoreLocked", message: "Locked.", hint: "arcrun vault status" } },
      code: 4,
    },
  });
  await desk.run("arcrun.refresh");
  assert.equal(desk.context.get("arcrun.state"), "failed");
  assert.equal(view()["message"], "Locked. → arcrun vault status");
  assert.deepEqual(children(), []);

  desk.settings.set("arcrun.path", join(stage.folder, "nowhere"));
  await desk.run("arcrun.refresh");
  assert.equal(desk.context.get("arcrun.state"), "missing");
  assert.equal(view()["message"], "");
  for (const command of ["connect", "test"]) await desk.run(`arcrun.${command}`);
  assert.match(desk.messages[0]?.text ?? "", /There is no program/);
});

test("a change of the path asks the other arcrun", async () => {
  desk.settings.set("arcrun.path", join(stage.folder, "nowhere"));
  await start();
  assert.equal(desk.context.get("arcrun.state"), "missing");
  desk.set("arcrun.path", PROGRAM);
  await until(() => desk.context.get("arcrun.state") === "connected");
});

test("a refresh during one begins another, and those who ask share it", async () => {
  await start();
  stage.plays(listing(ALL));
  await Promise.all([1, 2, 3, 4].map(() => desk.run("arcrun.refresh")));
  assert.deepEqual(stage.typed, ["list --json", "list --json"]);
});

test("whoever comes back sees what is true now, and is asked for no more than once a minute", async () => {
  mock.timers.enable({ apis: ["Date"], now: Date.now() });
  await start();
  stage.plays(listing([STRIPE]));
  desk.focus(true);
  view()["look"]();
  assert.equal(desk.context.get("arcrun.state"), "connected");
  mock.timers.tick(60_000);
  desk.focus(false);
  desk.focus(true);
  view()["look"]();
  await until(() => desk.context.get("arcrun.state") === "empty");
  assert.deepEqual(stage.typed, ["list --json"]);
});

test("nothing is left of it once it is disposed", async () => {
  await start();
  stop();
  assert.deepEqual([...desk.registered.keys(), ...desk.servers.keys()], []);
  assert.equal(read()["disposed"], true);
  stage.plays({});
  desk.focus(true);
  desk.set("arcrun.path", PROGRAM);
  assert.deepEqual(stage.typed, []);
});

// What the commands do, and the MCP server.
import assert from "node:assert/strict";
import { homedir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { ALL, desk, listing, MAIL, node, stage, start, stop, STRIPE } from "./editor";
import { type Answer, connection, PROGRAM, until } from "./stage";

test("a test says whose account it is", async () => {
  await start();
  const result = {
    name: "notion",
    ok: true,
    account: "ada@example.com",
    message: null,
    hint: null,
  };
  stage.plays({ ...listing(ALL), "test notion --json": { json: { results: [result] } } });
  await desk.run("arcrun.test", node("notion"));
  assert.deepEqual(
    [desk.last()?.kind, desk.last()?.text],
    ["information", "notion works, as ada@example.com."],
  );
  assert.deepEqual(stage.typed, ["test notion --json", "list --json"]);
  assert.deepEqual(desk.progress, [{ location: { viewId: "arcrun.connections" } }]);
});

test("a test that fails says why, and leads to a new login; no text of others becomes a link", async () => {
  await start();
  const message = "Refused: [fix](command:evil)";
  const result = {
    name: "notion@work",
    ok: false,
    account: null,
    message,
    hint: "arcrun setup notion@work",
  };
  stage.plays({
    ...listing(ALL),
    "test notion@work --json": { json: { results: [result] }, code: 5 },
  });
  desk.answers.push("Connect Again");
  const running = desk.run("arcrun.test", node("notion@work"));
  await until(() => desk.terminals.length === 1);
  assert.equal(desk.messages[0]?.text, "Refused: [fix] (command:evil) → arcrun setup notion@work");
  assert.deepEqual(desk.messages[0]?.choices, ["Connect Again"]);
  assert.equal((desk.terminals[0]?.options["shellArgs"] as string[]).at(-1), "notion@work");
  desk.terminals[0]?.close(5);
  await running;
  assert.equal(desk.messages.length, 1);
});

test("from the palette the connection is chosen first", async () => {
  await start();
  stage.plays({ ...listing(ALL), "snippet gmail": { stdout: "from arcrun import auth\n" } });
  desk.answers.push("Gmail");
  await desk.run("arcrun.copySnippet");
  assert.deepEqual(desk.messages[0]?.choices, ["Github", "Notion (work)", "Gmail", "Notion"]);
  assert.equal(desk.clipboard, "from arcrun import auth\n");
  await desk.run("arcrun.copySnippet");
  assert.deepEqual(stage.typed, ["snippet gmail"]);
});

test("connect searches as arcrun does, and sets up in a terminal without reading a name as shell", async () => {
  await start();
  stage.plays({
    ...listing(ALL),
    "list --search=pay --json": { json: { services: [STRIPE] } },
    "snippet stripe": { stdout: "code" },
  });
  desk.answers.push("Copy Snippet");
  const running = desk.run("arcrun.connect");
  await until(() => desk.picks.length === 1);
  const [pick] = desk.picks;
  assert.ok(pick);
  assert.equal(pick.items.length, ALL.length);
  pick.type("pa");
  pick.type("pay");
  await new Promise(setImmediate); // the search for "pa" has been stopped, and changes nothing
  assert.deepEqual([pick.busy, pick.items.length], [true, ALL.length]);
  await until(() => pick.items.length === 1);
  assert.equal(pick.busy, false);
  assert.deepEqual(stage.typed, ["list --search=pay --json"]);
  pick.choose("Stripe");
  await until(() => desk.terminals.length === 1);
  assert.ok(pick.disposed);
  const [terminal] = desk.terminals;
  assert.ok(terminal?.shown);
  assert.equal(terminal.options["cwd"], homedir());
  assert.deepEqual((terminal.options["shellArgs"] as string[]).slice(-2), [PROGRAM, "stripe"]);
  terminal.close(0);
  await running;
  assert.equal(desk.messages[0]?.text, "stripe is connected.");
  assert.equal(desk.clipboard, "code");
  assert.ok(stage.typed.includes("list --json"));
});

test("a search that is emptied shows all again, one that fails shows nothing, one left opens nothing", async () => {
  await start();
  const running = desk.run("arcrun.connect");
  await until(() => desk.picks.length === 1);
  const [pick] = desk.picks;
  assert.ok(pick);
  pick.type("odd");
  await until(() => pick.items.length === 0);
  pick.type(" ");
  assert.equal(pick.items.length, ALL.length);
  pick.hide();
  await running;
  assert.equal(desk.terminals.length, 0);
});

test("of a service that is connected another account is named, and only by a name that is free", async () => {
  await start();
  for (const [answers, wanted] of [
    [["Connect again: notion@work"], "notion@work"],
    [["Another account…", "home"], "notion@home"],
    [["Another account…", "work"], undefined],
    [["Another account…", "Not Good"], undefined],
    [["Another account…", undefined], undefined],
    [[undefined], undefined],
  ] as const) {
    desk.answers.splice(0, desk.answers.length, ...answers);
    desk.picks.length = desk.terminals.length = 0;
    const running = desk.run("arcrun.connect");
    await until(() => desk.picks.length === 1);
    desk.picks[0]?.choose("Notion");
    if (wanted === undefined) {
      await running;
      assert.equal(desk.terminals.length, 0);
      continue;
    }
    await until(() => desk.terminals.length === 1);
    assert.equal((desk.terminals[0]?.options["shellArgs"] as string[]).at(-1), wanted);
    desk.terminals[0]?.close(undefined);
    await running;
  }
});

test("connect again goes straight to the terminal", async () => {
  await start();
  const running = desk.run("arcrun.reconnect", node("github"));
  await until(() => desk.terminals.length === 1);
  assert.equal(desk.terminals[0]?.options["name"], "arcrun setup github");
  desk.terminals[0]?.close(1);
  await running;
  assert.deepEqual(desk.messages, []);
});

test("where the folder is not trusted, the person is told what to type, and has to trust nothing", async () => {
  await start();
  desk.trusted = false;
  desk.answers.push("Copy Command");
  await desk.run("arcrun.reconnect", node("notion@work"));
  assert.equal(desk.terminals.length, 0);
  assert.equal(desk.clipboard, "arcrun setup notion@work");
  assert.match(desk.last()?.text ?? "", /type: arcrun setup notion@work$/);
  await desk.run("arcrun.reconnect", node("github"));
  assert.equal(desk.clipboard, "arcrun setup notion@work");
});

test("what arcrun has saved without a test is not called connected", async () => {
  await start();
  for (const [status, wanted] of [
    ["untested", "drive is saved. It could not be tested yet."],
    ["connected", "drive is connected."],
  ] as const) {
    stage.plays(listing(MAIL.map((each) => ({ ...each, instances: [connection({ status })] }))));
    const running = desk.run("arcrun.reconnect", { name: "drive" });
    await until(() => desk.terminals.length === 1);
    desk.terminals.pop()?.close(0);
    await running;
    assert.equal(desk.last()?.text, wanted);
  }
});

const why = (more: object): Answer => ({
  json: {
    status: "connected",
    identity: "ada@example.com",
    can_revoke: true,
    shared_with: [],
    ...more,
  },
});

test("disconnect asks in a modal, says what goes with it, and does nothing without a yes", async () => {
  await start();
  stage.plays({ ...listing(ALL), "why gmail --json": why({ shared_with: ["drive"] }) });
  await desk.run("arcrun.disconnect", node("gmail"));
  const asked = desk.last();
  assert.equal(asked?.text, "Disconnect gmail (ada@example.com)?");
  assert.equal(asked?.options["modal"], true);
  assert.match(String(asked?.options["detail"]), /serves drive: they go with it/);
  assert.deepEqual(asked?.choices, ["Disconnect", "Disconnect and End the Login"]);
  assert.deepEqual(stage.typed, ["why gmail --json"]);
});

test("disconnect ends the login at the provider where that is chosen, and only where it can", async () => {
  for (const [answer, revocable, typed] of [
    ["Disconnect", true, "remove notion --yes --no-input"],
    ["Disconnect and End the Login", true, "remove notion --revoke --yes --no-input"],
    ["Disconnect", false, "remove notion --yes --no-input"],
  ] as const) {
    desk.clear();
    await start();
    stage.plays({
      ...listing([STRIPE]),
      "why notion --json": why({ can_revoke: revocable }),
      [typed]: { stderr: "✓ notion is forgotten here.\n" },
    });
    desk.answers.push(answer);
    await desk.run("arcrun.disconnect", node("notion"));
    assert.equal(desk.messages[0]?.choices.length, revocable ? 2 : 1);
    assert.equal(desk.last()?.text, "notion is forgotten here.");
    assert.deepEqual(stage.typed, ["why notion --json", typed, "list --json"]);
    assert.equal(desk.context.get("arcrun.state"), "empty");
    stop();
  }
});

test("a disconnect that fails is told, and the tree shows what is left", async () => {
  await start();
  const typed = "remove notion --yes --no-input";
  stage.plays({
    ...listing([STRIPE]),
    "why notion --json": why({}),
    [typed]: { stderr: "✗ It comes from the environment.\n", code: 1 },
  });
  desk.answers.push("Disconnect");
  await desk.run("arcrun.disconnect", node("notion"));
  assert.deepEqual(
    [desk.last()?.kind, desk.last()?.text],
    ["error", "It comes from the environment."],
  );
  assert.equal(desk.context.get("arcrun.state"), "empty");
});

test("the MCP server is offered once the user has switched it on, by its whole path", async () => {
  await start();
  const provider = desk.servers.get("arcrun");
  let changes = 0;
  provider.onDidChangeMcpServerDefinitions(() => changes++);
  assert.deepEqual(await provider.provideMcpServerDefinitions(), []);
  assert.deepEqual(stage.typed, ["list --json"]);

  stage.plays({ "mcp --help": {}, "--version": { stdout: "arcrun-auth 0.5.0\n" } });
  desk.answers.push("Show MCP Servers");
  await desk.run("arcrun.setUpMcp");
  assert.deepEqual(desk.targets, [["arcrun.mcp.enabled", true, 1]]);
  assert.equal(changes, 1);
  const [server] = await provider.provideMcpServerDefinitions();
  assert.deepEqual(
    { ...server },
    { label: "arcrun", command: PROGRAM, args: ["mcp"], env: {}, version: "0.5.0" },
  );
  assert.deepEqual(desk.executed.at(-1), ["workbench.mcp.listServer"]);
});

test("an arcrun that has no MCP server is not switched on, and one that is gone is not offered", async () => {
  await start();
  stage.plays({ "mcp --help": { stderr: "✗ There is no command 'mcp'.\n", code: 2 } });
  await desk.run("arcrun.setUpMcp");
  assert.deepEqual(desk.targets, []);
  assert.equal(desk.last()?.text, "There is no command 'mcp'.");

  desk.settings.set("arcrun.mcp.enabled", true);
  desk.settings.set("arcrun.path", join(stage.folder, "nowhere"));
  assert.deepEqual(await desk.servers.get("arcrun").provideMcpServerDefinitions(), []);
});

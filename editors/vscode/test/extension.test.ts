// The bundle as it is shipped, in a played editor, with a fake arcrun in PATH.
import assert from "node:assert/strict";
import { homedir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { after, afterEach, beforeEach, mock, test } from "node:test";
import type { Node } from "../src/tree";
import { type Answer, connection, PROGRAM, service, Stage, until } from "./stage";

const { desk } = require("vscode") as typeof import("./fake/vscode");
const extension = require(join(__dirname, "extension.js")) as { activate(context: object): Promise<void> };

const stage = new Stage();
const path = process.env["PATH"];
after(() => stage.end());

let subscriptions: { dispose(): void }[] = [];
beforeEach(() => {
  process.env["PATH"] = `${dirname(PROGRAM)}${delimiter}${path}`;
  desk.clear();
});
afterEach(() => {
  subscriptions.forEach((each) => each.dispose());
  subscriptions = [];
  mock.timers.reset();
});

const NOTION = service("notion", [connection({ account: "ada@example.com" }), connection({ instance: "work", status: "revoked" })]);
const GITHUB = service("github", [connection({ warnings: ["the key ends in 3 days → arcrun setup github"] })]);
const MAIL = ["gmail", "drive"].map((name) => service(name, [connection({ method: "oauth" })], { account: "google" }));
const STRIPE = service("stripe");
const ALL = [NOTION, GITHUB, ...MAIL, STRIPE];

const listing = (services: readonly object[]): Record<string, Answer> => ({ "list --json": { json: { services } } });

/** Starts it with what arcrun answers. */
async function start(answers: Record<string, Answer> = listing(ALL)): Promise<void> {
  stage.plays(answers);
  await extension.activate({ subscriptions });
}

const view = () => desk.views.get("arcrun.connections") ?? {};
const children = (node?: Node): Node[] => view()["treeDataProvider"].getChildren(node);
const item = (node: Node) => view()["treeDataProvider"].getTreeItem(node);
function node(name: string): Node {
  const found = children().find((each) => each.name === name);
  assert.ok(found, name);
  return found;
}
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
  assert.deepEqual(labels, ["Github, ends soon", "Notion (work), revoked", "Gmail, connected", "Notion, connected, ada@example.com"]);
  assert.match(item(node("notion")).tooltip, /^notion: connected\nAccount: ada@example.com/);
  assert.equal(desk.context.get("arcrun.state"), "connected");
  assert.deepEqual(new Set(children().map((each) => item(each).iconPath.id)), new Set(["warning", "error", "pass-filled"]));
});

test("services that share a login are below it, and nothing is below the others", async () => {
  await start();
  const below = children(node("gmail"));
  assert.deepEqual(below.map((each) => [item(each).label, item(each).contextValue]), [["Gmail", "service"], ["Drive", "service"]]);
  assert.equal(item(below[1] as Node).accessibilityInformation.label, "Drive, a service that Gmail connects");
  assert.deepEqual(below.flatMap(children), []);
  assert.deepEqual(children(node("notion")), []);
  const ids = [...children(), ...below].map((each) => item(each).id);
  assert.equal(new Set(ids).size, ids.length);
});

test("what needs somebody stands in the status bar and at the view, and goes away again", async () => {
  await start();
  assert.equal(read()["shown"], true);
  assert.equal(read()["text"], "$(key) 2");
  assert.equal(read()["tooltip"], "arcrun: 2 connections to see to\ngithub: the key ends in 3 days\nnotion@work: revoked");
  assert.match(read()["accessibilityInformation"].label, /^arcrun: 2 connections to see to\. github/);
  assert.deepEqual(view()["badge"], { value: 2, tooltip: "2 connections to see to" });

  stage.plays(listing([service("stripe", [connection()])]));
  await desk.run("arcrun.refresh");
  assert.equal(read()["shown"], false);
  assert.equal(view()["badge"], undefined);
});

test("nothing connected, no arcrun and one that fails are three different welcomes", async () => {
  await start(listing([STRIPE]));
  assert.equal(desk.context.get("arcrun.state"), "empty");

  stage.plays({ "list --json": { json: { error: { type: "StoreLocked", message: "Locked.", hint: "arcrun vault status" } }, code: 4 } });
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

test("a test says whose account it is", async () => {
  await start();
  const result = { name: "notion", ok: true, account: "ada@example.com", message: null, hint: null };
  stage.plays({ ...listing(ALL), "test notion --json": { json: { results: [result] } } });
  await desk.run("arcrun.test", node("notion"));
  assert.deepEqual([desk.last()?.kind, desk.last()?.text], ["information", "notion works, as ada@example.com."]);
  assert.deepEqual(stage.typed, ["test notion --json", "list --json"]);
  assert.deepEqual(desk.progress, [{ location: { viewId: "arcrun.connections" } }]);
});

test("a test that fails says why, and leads to a new login; no text of others becomes a link", async () => {
  await start();
  const message = "Refused: [fix](command:evil)";
  const result = { name: "notion@work", ok: false, account: null, message, hint: "arcrun setup notion@work" };
  stage.plays({ ...listing(ALL), "test notion@work --json": { json: { results: [result] }, code: 5 } });
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
  assert.equal(pick.busy, true);
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

const why = (more: object): Answer => ({
  json: { status: "connected", identity: "ada@example.com", can_revoke: true, shared_with: [], ...more },
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
    stage.plays({ ...listing([STRIPE]), "why notion --json": why({ can_revoke: revocable }), [typed]: { stderr: "✓ notion is forgotten here.\n" } });
    desk.answers.push(answer);
    await desk.run("arcrun.disconnect", node("notion"));
    assert.equal(desk.messages[0]?.choices.length, revocable ? 2 : 1);
    assert.equal(desk.last()?.text, "notion is forgotten here.");
    assert.deepEqual(stage.typed, ["why notion --json", typed, "list --json"]);
    assert.equal(desk.context.get("arcrun.state"), "empty");
    subscriptions.splice(0).forEach((each) => each.dispose());
  }
});

test("a disconnect that fails is told, and the tree shows what is left", async () => {
  await start();
  const typed = "remove notion --yes --no-input";
  stage.plays({ ...listing([STRIPE]), "why notion --json": why({}), [typed]: { stderr: "✗ It comes from the environment.\n", code: 1 } });
  desk.answers.push("Disconnect");
  await desk.run("arcrun.disconnect", node("notion"));
  assert.deepEqual([desk.last()?.kind, desk.last()?.text], ["error", "It comes from the environment."]);
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
  assert.deepEqual({ ...server }, { label: "arcrun", command: PROGRAM, args: ["mcp"], env: {}, version: "0.5.0" });
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

test("nothing is left of it once it is disposed", async () => {
  await start();
  subscriptions.splice(0).forEach((each) => each.dispose());
  assert.deepEqual([...desk.registered.keys(), ...desk.servers.keys()], []);
  assert.equal(read()["disposed"], true);
  stage.plays({});
  desk.focus(true);
  desk.set("arcrun.path", PROGRAM);
  assert.deepEqual(stage.typed, []);
});

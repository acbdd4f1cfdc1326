// The bundle as it is shipped, in a played editor, with a fake arcrun in PATH.
import assert from "node:assert/strict";
import { delimiter, dirname, join } from "node:path";
import { after, afterEach, beforeEach, mock } from "node:test";
import type { Node } from "../src/tree";
import { type Answer, connection, PROGRAM, service, Stage } from "./stage";

export const { desk } = require("vscode") as typeof import("./fake/vscode");
const extension = require(join(__dirname, "extension.js")) as {
  activate(context: object): Promise<void>;
};

export const stage = new Stage();
const path = process.env["PATH"];
const subscriptions: { dispose(): void }[] = [];

beforeEach(() => {
  process.env["PATH"] = `${dirname(PROGRAM)}${delimiter}${path}`;
  desk.clear();
});
afterEach(() => {
  stop();
  mock.timers.reset();
});
after(() => stage.end());

const NOTION = service("notion", [
  connection({ account: "ada@example.com" }),
  connection({ instance: "work", status: "revoked" }),
]);
const GITHUB = service("github", [
  connection({ warnings: ["the key ends in 3 days → arcrun setup github"] }),
]);
export const MAIL = ["gmail", "drive"].map((name) =>
  service(name, [connection({ method: "oauth" })], { account: "google" }),
);
export const STRIPE = service("stripe");
export const ALL = [NOTION, GITHUB, ...MAIL, STRIPE];

/** What arcrun answers that has these services. */
export const listing = (services: readonly object[]): Record<string, Answer> => ({
  "list --json": { json: { services } },
});

/** Starts it with what arcrun answers. */
export async function start(answers: Record<string, Answer> = listing(ALL)): Promise<void> {
  stage.plays(answers);
  await extension.activate({ subscriptions });
}

/** Ends it as the editor does. */
export function stop(): void {
  subscriptions.splice(0).forEach((each) => each.dispose());
}

export const view = () => desk.views.get("arcrun.connections") ?? {};
export const children = (node?: Node): Node[] => view()["treeDataProvider"].getChildren(node);
export const item = (node: Node) => view()["treeDataProvider"].getTreeItem(node);

/** The connection of that name, as the tree has it. */
export function node(name: string): Node {
  const found = children().find((each) => each.name === name);
  assert.ok(found, name);
  return found;
}

// arcrun in the editor: it shows what `arcrun … --json` says, and keeps nothing.
import { homedir } from "node:os";
import * as vscode from "vscode";
import { Arcrun } from "./arcrun";
import { Commands } from "./commands";
import { locate } from "./locate";
import { offerMcp } from "./mcp";
import { Model } from "./model";
import { runner } from "./run";
import { showStatus } from "./status";
import { Tree } from "./tree";

/** How old may be what is shown, when somebody looks at it again? Milliseconds. */
const STALE = 60_000;

/** Called by the editor when it has started; resolves once arcrun was asked for the first time. */
export async function activate(context: vscode.ExtensionContext): Promise<void> {
  const home = homedir();
  const program = (): string =>
    locate(pathSetting(), { platform: process.platform, home, env: process.env });
  const arcrun = new Arcrun(runner(program, home, () => process.env));
  const model = new Model(arcrun, Date.now);
  const tree = new Tree(model, Date.now);
  const view = vscode.window.createTreeView("arcrun.connections", { treeDataProvider: tree });
  context.subscriptions.push(
    model,
    view,
    showStatus(model, view, Date.now),
    new Commands(arcrun, model, program).register(),
    offerMcp(arcrun, program),
    view.onDidChangeVisibility(({ visible }) => visible && void model.refreshIfOlder(STALE)),
    // Back from the browser, or from another program that has logged in.
    vscode.window.onDidChangeWindowState(
      ({ focused }) => focused && void model.refreshIfOlder(STALE),
    ),
    vscode.workspace.onDidChangeConfiguration((event) => {
      if (event.affectsConfiguration("arcrun.path")) void model.refresh();
    }),
  );
  await model.refresh();
}

function pathSetting(): string {
  return vscode.workspace.getConfiguration("arcrun").get<string>("path", "");
}

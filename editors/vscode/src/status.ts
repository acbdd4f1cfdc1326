// What is shown of the model beside the tree: a warning in the status bar, the view's message.
import * as vscode from "vscode";
import { attention } from "./connections";
import { inWords } from "./faults";
import type { Model } from "./model";
import type { Node } from "./tree";
import { count } from "./words";

export function showStatus(
  model: Model,
  view: vscode.TreeView<Node>,
  now: () => number,
): vscode.Disposable {
  const item = vscode.window.createStatusBarItem(
    "arcrun.attention",
    vscode.StatusBarAlignment.Right,
  );
  item.name = "arcrun: connections";
  item.command = "arcrun.connections.focus";
  item.backgroundColor = new vscode.ThemeColor("statusBarItem.warningBackground");
  const show = (): void => {
    const lines = attention(model.found, now());
    showAttention(item, view, lines);
    const { state } = model;
    const fault = state !== undefined && state.kind === "failed" ? state.fault : undefined;
    view.message = fault === undefined ? "" : inWords(fault);
    void vscode.commands.executeCommand("setContext", "arcrun.state", state?.kind);
  };
  return vscode.Disposable.from(item, model.onDidChange(show));
}

function showAttention(
  item: vscode.StatusBarItem,
  view: vscode.TreeView<Node>,
  lines: readonly string[],
): void {
  if (lines.length === 0) {
    item.hide();
    view.badge = undefined;
    return;
  }
  const told = `${count(lines.length, "connection")} to see to`;
  item.text = `$(key) ${lines.length}`;
  item.tooltip = [`arcrun: ${told}`, ...lines].join("\n");
  item.accessibilityInformation = { label: `arcrun: ${told}. ${lines.join(". ")}` };
  view.badge = { value: lines.length, tooltip: told };
  item.show();
}

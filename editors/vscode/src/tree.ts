// The tree: a connection, and below it the services that use it where there are several.
import * as vscode from "vscode";
import {
  type Connected,
  details,
  nameOf,
  needsSomebody,
  type Standing,
  standing,
  summary,
} from "./connections";
import type { Model } from "./model";
import { plain } from "./words";

/** What commands are given: a connection, or one service of it. */
export interface Node {
  readonly name: string;
  readonly title: string;
  readonly of: Connected;
  readonly main: boolean;
}

const ICONS: Record<Standing, readonly [string, string | undefined]> = {
  connected: ["pass-filled", "testing.iconPassed"],
  untested: ["question", undefined],
  ending: ["warning", "list.warningForeground"],
  expired: ["error", "list.errorForeground"],
  ended: ["error", "list.errorForeground"],
  incomplete: ["circle-slash", "list.warningForeground"],
};

export const nodeOf = (of: Connected): Node => ({ name: of.name, title: of.title, of, main: true });

export class Tree implements vscode.TreeDataProvider<Node> {
  readonly onDidChangeTreeData: vscode.Event<void>;

  constructor(
    private readonly model: Model,
    private readonly now: () => number,
  ) {
    this.onDidChangeTreeData = model.onDidChange;
  }

  getChildren(node?: Node): Node[] {
    if (node === undefined) return this.model.found.map(nodeOf);
    const { services, instance } = node.of;
    if (!node.main || services.length < 2) return [];
    return services.map((service) => ({
      name: nameOf(service.service, instance),
      title: plain(service.display_name, 80),
      of: node.of,
      main: false,
    }));
  }

  getTreeItem(node: Node): vscode.TreeItem {
    return node.main ? this.#connection(node) : serviceItem(node);
  }

  #connection({ of, name, title }: Node): vscode.TreeItem {
    const several = of.services.length > 1;
    const item = new vscode.TreeItem(
      title,
      several ? vscode.TreeItemCollapsibleState.Collapsed : vscode.TreeItemCollapsibleState.None,
    );
    const state = standing(of);
    const [icon, colour] = ICONS[state];
    item.id = name;
    item.description = summary(of, this.now());
    item.tooltip = details(of, this.now()).join("\n");
    item.iconPath = new vscode.ThemeIcon(
      icon,
      colour === undefined ? undefined : new vscode.ThemeColor(colour),
    );
    item.contextValue = needsSomebody(of) ? "connection.attention" : "connection";
    const stands = state === "connected" ? "connected" : "";
    const label = [title, stands, item.description].filter((part) => part !== "").join(", ");
    item.accessibilityInformation = { label };
    return item;
  }
}

function serviceItem({ of, name, title }: Node): vscode.TreeItem {
  const item = new vscode.TreeItem(title, vscode.TreeItemCollapsibleState.None);
  item.id = `${of.name}/${name}`;
  item.description = name;
  item.iconPath = new vscode.ThemeIcon("plug");
  item.contextValue = "service";
  item.accessibilityInformation = { label: `${title}, a service that ${of.title} connects` };
  return item;
}

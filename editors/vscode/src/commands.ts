// The commands: thin, each asks the person, then arcrun, then says what came of it.
import * as vscode from "vscode";
import type { Arcrun } from "./arcrun";
import { chooseConnected, chooseName, chooseService } from "./choose";
import { ArcrunFault, inWords } from "./faults";
import type { Model } from "./model";
import { setUp } from "./terminal";
import { type Node, nodeOf } from "./tree";
import { plain } from "./words";

const AGAIN = "Connect Again";
const SNIPPET = "Copy Snippet";
const COPY = "Copy Command";

export class Commands {
  constructor(
    private readonly arcrun: Arcrun,
    private readonly model: Model,
    private readonly program: () => string,
  ) {}

  /** Registers them all. A fault of arcrun is told; any other error is a mistake of ours. */
  register(): vscode.Disposable {
    const table: Record<string, (node?: Node) => Promise<void>> = {
      "arcrun.refresh": () => this.model.refresh(),
      "arcrun.connect": () => this.#connect(),
      "arcrun.reconnect": (node) =>
        this.#with(node, "Connect again", ({ name }) => this.#setUp(name)),
      "arcrun.test": (node) => this.#with(node, "Test", ({ name }) => this.#test(name)),
      "arcrun.disconnect": (node) =>
        this.#with(node, "Disconnect", (found) => this.#disconnect(found)),
      "arcrun.copySnippet": (node) =>
        this.#with(node, "Copy a snippet", ({ name }) => this.#copy(name)),
    };
    const told = Object.entries(table).map(([id, action]) =>
      vscode.commands.registerCommand(id, (node?: Node) => telling(() => action(node))),
    );
    return vscode.Disposable.from(...told);
  }

  /** Acts on what was clicked; from the palette the person chooses first. */
  async #with(
    node: Node | undefined,
    title: string,
    action: (node: Node) => Promise<void>,
  ): Promise<void> {
    if (node !== undefined) return action(node);
    if (this.model.found.length === 0) await this.model.refresh();
    const found = await chooseConnected(this.model.found, title);
    if (found !== undefined) await action(nodeOf(found));
  }

  async #connect(): Promise<void> {
    this.program(); // where there is none this says so, before anything is chosen
    if (this.model.services.length === 0) await this.model.refresh();
    const service = await chooseService(this.arcrun, this.model.services);
    const name = service && (await chooseName(service));
    if (name) await this.#setUp(name);
  }

  async #setUp(name: string): Promise<void> {
    if (!vscode.workspace.isTrusted) return tellToType(`arcrun setup ${name}`);
    const worked = await setUp(this.program(), name);
    await this.model.refresh();
    if (!worked) return;
    // arcrun saves what it could not try, too, where the provider was not reached.
    const untested = this.model.of(name)?.connection.status === "untested";
    const text = untested
      ? `${name} is saved. It could not be tested yet.`
      : `${name} is connected.`;
    const next = await vscode.window.showInformationMessage(text, SNIPPET);
    if (next === SNIPPET) await this.#copy(name);
  }

  async #test(name: string): Promise<void> {
    const result = await busy(() => this.arcrun.test(name));
    await this.model.refresh(); // a test may have renewed it, or found that it has ended
    if (result.ok) {
      const account = result.account === null ? "" : `, as ${plain(result.account, 120)}`;
      void vscode.window.showInformationMessage(`${name} works${account}.`);
      return;
    }
    const next = await vscode.window.showErrorMessage(inWords(result), AGAIN);
    if (next === AGAIN) await this.#setUp(name);
  }

  async #disconnect({ name }: Node): Promise<void> {
    const why = await this.arcrun.why(name);
    const whose = why.identity === null ? "" : ` (${plain(why.identity, 120)})`;
    const too =
      why.shared_with.length === 0
        ? ""
        : ` The same login serves ${why.shared_with.join(", ")}: they go with it.`;
    const left = why.can_revoke
      ? " Without ending the login at the provider, it stays valid there."
      : " What the provider gave stays valid there, until you end it there.";
    const forget = "Disconnect";
    const revoke = "Disconnect and End the Login";
    const chosen = await vscode.window.showWarningMessage(
      `Disconnect ${name}${whose}?`,
      { modal: true, detail: `arcrun forgets the credential.${too}${left}` },
      ...(why.can_revoke ? [forget, revoke] : [forget]),
    );
    if (chosen === undefined) return;
    try {
      const done = await busy(() => this.arcrun.remove(name, chosen === revoke));
      void vscode.window.showInformationMessage(done);
    } finally {
      await this.model.refresh();
    }
  }

  async #copy(name: string): Promise<void> {
    await vscode.env.clipboard.writeText(await this.arcrun.snippet(name));
    vscode.window.setStatusBarMessage(`Copied: code that uses ${name}`, 5000);
  }
}

/** The editor opens no terminal in a folder that is not trusted, and nobody has to trust it for this. */
async function tellToType(command: string): Promise<void> {
  const text = `There is no terminal in Restricted Mode. In one of your own, type: ${command}`;
  const next = await vscode.window.showInformationMessage(text, COPY);
  if (next === COPY) await vscode.env.clipboard.writeText(command);
}

async function busy<T>(action: () => Promise<T>): Promise<T> {
  return vscode.window.withProgress({ location: { viewId: "arcrun.connections" } }, action);
}

/** Does it, and tells a fault of arcrun's. */
export async function telling(action: () => Promise<void>): Promise<void> {
  try {
    await action();
  } catch (error) {
    if (!(error instanceof ArcrunFault)) throw error;
    void vscode.window.showErrorMessage(inWords(error));
  }
}

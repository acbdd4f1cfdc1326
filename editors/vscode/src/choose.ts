// Which service, and under which name?
import * as vscode from "vscode";
import type { Arcrun } from "./arcrun";
import { type Connected, nameOf, summary } from "./connections";
import { ArcrunFault } from "./faults";
import type { Service } from "./shapes";
import { plain } from "./words";

/** How long after the last letter is a search begun? Milliseconds. */
const PAUSE = 150;

/** As arcrun reads an instance's name. */
const INSTANCE = /^[a-z0-9][a-z0-9._+-]{0,63}$/;

interface Choice extends vscode.QuickPickItem {
  readonly service: Service;
}

const choice = (service: Service): Choice => ({
  label: plain(service.display_name, 80),
  description: service.connected ? `${service.service} · connected` : service.service,
  detail: [service.category, service.methods.join(" or ")]
    .map((text) => plain(text, 80))
    .join(" · "),
  alwaysShow: true, // arcrun has searched: it knows other names, and what a service does
  service,
});

/** One of all services, found by arcrun's own search. Undefined where the person leaves. */
export function chooseService(
  arcrun: Arcrun,
  all: readonly Service[],
): Promise<Service | undefined> {
  const pick = vscode.window.createQuickPick<Choice>();
  const everything = all.map(choice);
  pick.title = "Connect a service";
  pick.placeholder = "What it is called, or what it does: notion, mail, payments";
  pick.items = everything;
  let search = new AbortController();
  const find = async (text: string): Promise<void> => {
    search.abort();
    search = new AbortController();
    const { signal } = search;
    pick.busy = text !== "";
    if (text === "") {
      pick.items = everything;
      return;
    }
    const found = await pause(signal)
      .then(() => arcrun.search(text, signal))
      .catch(unlessStopped(signal));
    if (signal.aborted) return;
    pick.busy = false;
    pick.items = (found ?? []).map(choice);
  };
  return new Promise((resolve) => {
    pick.onDidChangeValue((text) => void find(text.trim()));
    pick.onDidAccept(() => {
      resolve(pick.selectedItems[0]?.service);
      pick.hide();
    });
    pick.onDidHide(() => {
      search.abort();
      resolve(undefined);
      pick.dispose();
    });
    pick.show();
  });
}

const pause = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, PAUSE);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    });
  });

/** A search that fails finds nothing; the list of all services has said why before. */
const unlessStopped =
  (signal: AbortSignal) =>
  (error: unknown): undefined => {
    if (!signal.aborted && !(error instanceof ArcrunFault)) throw error;
  };

/** The name to set up: of a service that is connected, again or for a further account. */
export async function chooseName(service: Service): Promise<string | undefined> {
  if (!service.connected) return service.service;
  const again = service.instances.map(({ instance }) => ({
    label: `Connect again: ${nameOf(service.service, instance)}`,
    name: nameOf(service.service, instance),
  }));
  const another = { label: "Another account…", name: undefined };
  const chosen = await vscode.window.showQuickPick<{ label: string; name: string | undefined }>(
    [another, ...again],
    {
      title: `${plain(service.display_name, 80)} is connected`,
    },
  );
  if (chosen === undefined || chosen.name !== undefined) return chosen?.name;
  const taken = new Set(service.instances.map(({ instance }) => instance));
  const instance = await vscode.window.showInputBox({
    title: `A name for the other account of ${plain(service.display_name, 80)}`,
    placeHolder: "work",
    validateInput: (text) => problem(text, taken),
  });
  return instance && nameOf(service.service, instance);
}

function problem(text: string, taken: ReadonlySet<string>): string | undefined {
  if (taken.has(text)) return `${text} is connected already.`;
  if (INSTANCE.test(text)) return undefined;
  return "Lower-case letters, digits and . _ + -, beginning with a letter or digit.";
}

/** One of the connections. Undefined where the person leaves. */
export async function chooseConnected(
  found: readonly Connected[],
  title: string,
): Promise<Connected | undefined> {
  const items = found.map((each) => ({
    label: plain(each.title, 80),
    description: plain(summary(each, Date.now())),
    found: each,
  }));
  const chosen = await vscode.window.showQuickPick(items, { title, matchOnDescription: true });
  return chosen?.found;
}

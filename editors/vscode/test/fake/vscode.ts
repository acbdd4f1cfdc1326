// The part of the editor's API that is used here, played: what was shown is noted, what a person
// would answer is said beforehand. `desk` is the person's side of it.

type Listener<T> = (event: T) => unknown;

export class Disposable {
  constructor(private readonly end: () => void) {}
  static from(...all: { dispose(): unknown }[]): Disposable {
    return new Disposable(() => all.forEach((each) => each.dispose()));
  }
  dispose(): void {
    this.end();
  }
}

export class EventEmitter<T> {
  readonly listeners = new Set<Listener<T>>();
  readonly event = (listener: Listener<T>): Disposable => {
    this.listeners.add(listener);
    return new Disposable(() => this.listeners.delete(listener));
  };
  fire(event: T): void {
    for (const listener of [...this.listeners]) listener(event);
  }
  dispose(): void {
    this.listeners.clear();
  }
}

export class ThemeColor {
  constructor(readonly id: string) {}
}
export class ThemeIcon {
  constructor(
    readonly id: string,
    readonly color?: ThemeColor,
  ) {}
}
export class TreeItem {
  constructor(
    readonly label: string,
    readonly collapsibleState: number,
  ) {}
}
export class McpStdioServerDefinition {
  constructor(
    readonly label: string,
    readonly command: string,
    readonly args: string[],
    readonly env: object,
    readonly version: string,
  ) {}
}
export const TreeItemCollapsibleState = { None: 0, Collapsed: 1, Expanded: 2 };
export const StatusBarAlignment = { Left: 1, Right: 2 };
export const ConfigurationTarget = { Global: 1, Workspace: 2, WorkspaceFolder: 3 };

export class Terminal {
  shown = false;
  exitStatus: { code: number | undefined } | undefined;
  constructor(readonly options: Record<string, unknown>) {}
  show(): void {
    this.shown = true;
  }
  /** Its process ends. */
  close(code: number | undefined): void {
    this.exitStatus = { code };
    closed.fire(this);
  }
}

export class QuickPick {
  title = "";
  placeholder = "";
  busy = false;
  items: readonly Record<string, unknown>[] = [];
  selectedItems: readonly Record<string, unknown>[] = [];
  shown = false;
  disposed = false;
  readonly #value = new EventEmitter<string>();
  readonly #accept = new EventEmitter<void>();
  readonly #hide = new EventEmitter<void>();
  readonly onDidChangeValue = this.#value.event;
  readonly onDidAccept = this.#accept.event;
  readonly onDidHide = this.#hide.event;
  show(): void {
    this.shown = true;
  }
  hide(): void {
    this.#hide.fire();
  }
  dispose(): void {
    this.disposed = true;
  }
  type(text: string): void {
    this.#value.fire(text);
  }
  choose(label: string): void {
    this.selectedItems = this.items.filter((item) => item["label"] === label);
    this.#accept.fire();
  }
}

interface Message {
  readonly kind: "information" | "warning" | "error" | "pick" | "input" | "status";
  readonly text: string;
  readonly options: Record<string, unknown>;
  readonly choices: readonly string[];
}

const closed = new EventEmitter<Terminal>();
const focus = new EventEmitter<{ focused: boolean }>();
const settings = new EventEmitter<{ affectsConfiguration(section: string): boolean }>();

function ask(message: Message): string | undefined {
  desk.messages.push(message);
  return desk.answers.shift();
}

export const desk = {
  settings: new Map<string, unknown>(),
  targets: [] as [string, unknown, number][],
  registered: new Map<string, (...args: unknown[]) => unknown>(),
  executed: [] as unknown[][],
  context: new Map<string, unknown>(),
  messages: [] as Message[],
  /** What is clicked or typed next, in the order of the questions; undefined: left. */
  answers: [] as (string | undefined)[],
  clipboard: "",
  views: new Map<string, Record<string, any>>(),
  status: [] as Record<string, any>[],
  terminals: [] as Terminal[],
  picks: [] as QuickPick[],
  servers: new Map<string, any>(),
  progress: [] as object[],
  trusted: true,

  clear(): void {
    for (const each of [this.settings, this.registered, this.context, this.views, this.servers])
      each.clear();
    for (const each of [this.targets, this.executed, this.messages, this.answers]) each.length = 0;
    for (const each of [this.status, this.terminals, this.picks, this.progress]) each.length = 0;
    this.clipboard = "";
    this.trusted = true;
  },
  async run(command: string, ...args: unknown[]): Promise<void> {
    const action = this.registered.get(command);
    if (action === undefined) throw new Error(`no command ${command}`);
    await action(...args);
  },
  set(name: string, value: unknown): void {
    this.settings.set(name, value);
    settings.fire({
      affectsConfiguration: (section) => name === section || name.startsWith(`${section}.`),
    });
  },
  focus: (focused: boolean): void => focus.fire({ focused }),
  last(): Message | undefined {
    return this.messages.at(-1);
  },
};

const message =
  (kind: Message["kind"]) =>
  async (
    text: string,
    ...rest: (string | Record<string, unknown>)[]
  ): Promise<string | undefined> => {
    const options = rest.find((each) => typeof each === "object") ?? {};
    return ask({
      kind,
      text,
      options: options as Record<string, unknown>,
      choices: rest.filter((each) => typeof each === "string"),
    });
  };

export const window = {
  onDidCloseTerminal: closed.event,
  onDidChangeWindowState: focus.event,
  showInformationMessage: message("information"),
  showWarningMessage: message("warning"),
  showErrorMessage: message("error"),
  setStatusBarMessage: message("status"),
  createTreeView(id: string, options: { treeDataProvider: unknown }) {
    const visible = new EventEmitter<{ visible: boolean }>();
    const view = {
      ...options,
      message: undefined,
      badge: undefined,
      onDidChangeVisibility: visible.event,
      look: () => visible.fire({ visible: true }),
      dispose: () => visible.dispose(),
    };
    desk.views.set(id, view);
    return view;
  },
  createStatusBarItem(id: string, alignment: number) {
    const item: Record<string, any> = { id, alignment, shown: false };
    item["show"] = () => (item["shown"] = true);
    item["hide"] = () => (item["shown"] = false);
    item["dispose"] = () => (item["disposed"] = true);
    desk.status.push(item);
    return item;
  },
  createTerminal(options: Record<string, unknown>) {
    const terminal = new Terminal(options);
    desk.terminals.push(terminal);
    return terminal;
  },
  createQuickPick() {
    const pick = new QuickPick();
    desk.picks.push(pick);
    return pick;
  },
  async showQuickPick(items: readonly Record<string, any>[], options: Record<string, unknown>) {
    const choices = items.map((item) => String(item["label"]));
    const answer = ask({ kind: "pick", text: String(options["title"]), options, choices });
    return items.find((item) => item["label"] === answer);
  },
  /** As the editor does: what is not valid is not taken. */
  async showInputBox(options: Record<string, any>) {
    const answer = ask({ kind: "input", text: String(options["title"]), options, choices: [] });
    return answer !== undefined && options["validateInput"](answer) === undefined
      ? answer
      : undefined;
  },
  async withProgress(options: object, action: () => Promise<unknown>) {
    desk.progress.push(options);
    return action();
  },
};

export const commands = {
  registerCommand(id: string, action: (...args: unknown[]) => unknown) {
    if (desk.registered.has(id)) throw new Error(`command ${id} twice`);
    desk.registered.set(id, action);
    return new Disposable(() => desk.registered.delete(id));
  },
  async executeCommand(id: string, ...args: unknown[]) {
    desk.executed.push([id, ...args]);
    if (id === "setContext") desk.context.set(String(args[0]), args[1]);
  },
};

export const env = {
  clipboard: {
    async writeText(text: string) {
      desk.clipboard = text;
    },
  },
};

export const workspace = {
  get isTrusted() {
    return desk.trusted;
  },
  onDidChangeConfiguration: settings.event,
  getConfiguration: (section: string) => ({
    get: (name: string, otherwise: unknown) => desk.settings.get(`${section}.${name}`) ?? otherwise,
    async update(name: string, value: unknown, target: number) {
      desk.targets.push([`${section}.${name}`, value, target]);
      desk.set(`${section}.${name}`, value);
    },
  }),
};

export const lm = {
  registerMcpServerDefinitionProvider(id: string, provider: unknown) {
    desk.servers.set(id, provider);
    return new Disposable(() => desk.servers.delete(id));
  },
};

// What is connected, as it was told last.
import * as vscode from "vscode";
import type { Arcrun } from "./arcrun";
import { connected, type Connected, nameOf } from "./connections";
import { ArcrunFault, NotFound } from "./faults";
import type { Service } from "./shapes";

export type State =
  | { readonly kind: "missing" | "failed"; readonly fault: ArcrunFault }
  | {
      readonly kind: "empty" | "connected";
      readonly services: readonly Service[];
      readonly found: readonly Connected[];
    };

export class Model implements vscode.Disposable {
  readonly #changed = new vscode.EventEmitter<void>();
  readonly onDidChange = this.#changed.event;
  #state: State | undefined;
  #running: Promise<void> | undefined;
  #again = false;
  #asked = 0;

  constructor(
    private readonly arcrun: Arcrun,
    private readonly now: () => number,
  ) {}

  /** None before the first answer. */
  get state(): State | undefined {
    return this.#state;
  }

  get found(): readonly Connected[] {
    return this.#state !== undefined && "found" in this.#state ? this.#state.found : [];
  }

  /** The connection that is typed so, by the name of any service that uses it. */
  of(name: string): Connected | undefined {
    return this.found.find(({ services, instance }) =>
      services.some((each) => nameOf(each.service, instance) === name),
    );
  }

  get services(): readonly Service[] {
    return this.#state !== undefined && "services" in this.#state ? this.#state.services : [];
  }

  /** Asks again. While an answer is awaited, whoever asks too gets one that was begun later. */
  async refresh(): Promise<void> {
    if (this.#running !== undefined) {
      this.#again = true;
      return this.#running;
    }
    this.#running = this.#ask();
    try {
      await this.#running;
    } finally {
      this.#running = undefined;
    }
  }

  /** Asks again if the last answer is older than `age` milliseconds. */
  async refreshIfOlder(age: number): Promise<void> {
    if (this.now() - this.#asked >= age) await this.refresh();
  }

  dispose(): void {
    this.#changed.dispose();
  }

  async #ask(): Promise<void> {
    do {
      this.#again = false;
      this.#asked = this.now();
      this.#state = await this.#told();
    } while (this.#again);
    this.#changed.fire();
  }

  async #told(): Promise<State> {
    try {
      const services = await this.arcrun.services();
      const found = connected(services);
      return { kind: found.length > 0 ? "connected" : "empty", services, found };
    } catch (error) {
      if (error instanceof ArcrunFault)
        return { kind: error instanceof NotFound ? "missing" : "failed", fault: error };
      throw error;
    }
  }
}

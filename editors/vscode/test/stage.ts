// What tests share: a folder, a fake arcrun with what it is to answer, services as it lists them.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Connection, Service } from "../src/shapes";

export interface Answer {
  readonly json?: object;
  readonly stdout?: string;
  readonly stderr?: string;
  readonly code?: number;
  readonly flood?: number;
  readonly hang?: boolean;
  readonly signal?: NodeJS.Signals;
}

export interface Play {
  readonly log: string;
  readonly answers: Readonly<Record<string, Answer>>;
}

export interface Call {
  readonly args: readonly string[];
  readonly cwd: string;
  readonly ARCRUN_INTERACTIVE?: string;
  readonly NO_COLOR?: string;
  readonly stdin: string;
}

/** The fake program, built beside the tests. */
export const PROGRAM = join(__dirname, "arcrun");

export class Stage {
  readonly folder = mkdtempSync(join(tmpdir(), "arcrun-editor-"));
  readonly #log = join(this.folder, "calls");
  readonly #play = join(this.folder, "play.json");

  constructor() {
    this.plays({});
    process.env["FAKE_ARCRUN"] = this.#play;
  }

  /** What arcrun answers from now on, by command line; what was called so far is forgotten. */
  plays(answers: Readonly<Record<string, Answer>>): void {
    writeFileSync(this.#play, JSON.stringify({ log: this.#log, answers } satisfies Play));
    writeFileSync(this.#log, "");
  }

  get calls(): readonly Call[] {
    const lines = readFileSync(this.#log, "utf8").split("\n");
    return lines.filter((line) => line !== "").map((line) => JSON.parse(line) as Call);
  }

  /** The command lines so far. */
  get typed(): readonly string[] {
    return this.calls.map(({ args }) => args.join(" "));
  }

  end(): void {
    delete process.env["FAKE_ARCRUN"];
    rmSync(this.folder, { recursive: true });
  }
}

export const connection = (more: Partial<Connection> = {}): Connection => ({
  instance: "default",
  method: "key",
  status: "connected",
  account: null,
  expires_at: null,
  can_renew: false,
  refresh_expires_at: null,
  can_extend: false,
  secret_expires_at: null,
  warnings: [],
  scopes: [],
  ...more,
});

export function service(
  name: string,
  instances: readonly Connection[] = [],
  more: Partial<Service> = {},
): Service {
  return {
    service: name,
    display_name: name.charAt(0).toUpperCase() + name.slice(1),
    category: "productivity",
    account: name,
    status: "active",
    methods: ["key"],
    connected: instances.length > 0,
    instances,
    ...more,
  };
}

/** Waits until it is so; throws after a generous time. */
export async function until(what: () => boolean): Promise<void> {
  for (let tries = 0; !what(); tries++) {
    if (tries > 2000) throw new Error(`never came true: ${what.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

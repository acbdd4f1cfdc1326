// The verbs of arcrun that are used here.
import { ArcrunFault } from "./faults";
import { type Finished, type Run, SENDING } from "./run";
import {
  parse,
  readError,
  readList,
  readTest,
  readWhy,
  type Service,
  type Tested,
  type Why,
} from "./shapes";
import { said } from "./words";

export class Arcrun {
  constructor(private readonly run: Run) {}

  /** All services, and what is connected of each. Sends nothing. */
  async services(): Promise<readonly Service[]> {
    return readList(await this.#read(["list", "--json"]), "it").services;
  }

  /** The services that `text` names or describes, the best first. */
  async search(text: string, signal?: AbortSignal): Promise<readonly Service[]> {
    // With an equals sign, so that text which begins with a dash is no option.
    const args = ["list", `--search=${text}`, "--json"];
    return readList(await this.#read(args, signal === undefined ? {} : { signal }), "it").services;
  }

  /** Sends the recipe's test request. What the provider refuses is a result, not a fault. */
  async test(name: string): Promise<Tested> {
    const args = ["test", name, "--json"];
    const [result] = readTest(await this.#read(args, { timeout: SENDING }, true), "it").results;
    if (result === undefined)
      throw new ArcrunFault(`${name} was not tested.`, `arcrun test ${name}`);
    return result;
  }

  /** What to know before it is removed. */
  async why(name: string): Promise<Why> {
    return readWhy(await this.#read(["why", name, "--json"]), "it");
  }

  /** Forgets it, and with `revoke` tells the provider. What was done, in arcrun's words. */
  async remove(name: string, revoke: boolean): Promise<string> {
    const args = ["remove", name, ...(revoke ? ["--revoke"] : []), "--yes", "--no-input"];
    const ended = await this.run(args, { timeout: SENDING });
    if (ended.code !== 0) throw refused(ended);
    return said(ended.stderr);
  }

  /** A short program that uses it; there is no secret in it. */
  async snippet(name: string): Promise<string> {
    const ended = await this.run(["snippet", name]);
    if (ended.code !== 0) throw refused(ended);
    return ended.stdout;
  }

  /** `0.5.0`. */
  async version(): Promise<string> {
    const ended = await this.run(["--version"]);
    if (ended.code !== 0) throw refused(ended);
    return /\d+\.\S+/.exec(ended.stdout)?.[0] ?? "";
  }

  /** Throws the reason why this arcrun cannot serve MCP. */
  async checkMcp(): Promise<void> {
    const ended = await this.run(["mcp", "--help"]);
    if (ended.code !== 0) throw refused(ended);
  }

  /** A JSON answer. With `any` exit code: one whose results say themselves what failed. */
  async #read(args: readonly string[], limits = {}, any = false): Promise<object> {
    const ended = await this.run(args, limits);
    if (ended.code !== 0 && (!any || ended.stdout.trim() === "")) throw refused(ended);
    const answer = parse(ended.stdout);
    if ("error" in answer) throw refused(ended);
    return answer;
  }
}

function refused(ended: Finished): ArcrunFault {
  try {
    const { error } = readError(parse(ended.stdout), "it");
    return new ArcrunFault(error.message, error.hint ?? "");
  } catch {
    return new ArcrunFault(said(ended.stderr) || `arcrun has failed with exit code ${ended.code}.`);
  }
}

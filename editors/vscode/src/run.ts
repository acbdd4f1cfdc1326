// arcrun as a process: no shell, a time limit, a cap on what it says.
import { execFile } from "node:child_process";
import { ArcrunFault, TookTooLong } from "./faults";

/** How a command ended. */
export interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Limits {
  /** Milliseconds. */
  readonly timeout?: number;
  /** Stops it early; the promise is rejected then. */
  readonly signal?: AbortSignal;
}

/** Runs arcrun with these arguments. Rejects with an ArcrunFault; an exit code is no fault. */
export type Run = (args: readonly string[], limits?: Limits) => Promise<Finished>;

/** How long may a command take that sends nothing? Milliseconds; a cold disk included. */
export const READING = 20_000;

/** How long one that speaks to a provider? It has its own limits, of 30 s for each request. */
export const SENDING = 120_000;

/** How much may it say, in bytes? The list of all services has 100 kB. */
export const MOST = 8 * 1024 * 1024;

/** What arcrun is told by its environment: nobody is at its terminal, and it has none. */
export const TOLD = { ARCRUN_INTERACTIVE: "false", NO_COLOR: "1", PYTHONUTF8: "1" };

/**
 * A Run of the program that `command` finds each time. It starts in `home` whatever is open: a
 * workspace has no say in it.
 */
export function runner(
  command: () => string,
  home: string,
  env: () => NodeJS.ProcessEnv,
  most: number = MOST,
): Run {
  return async (args, { timeout = READING, signal } = {}) => {
    const program = command();
    const options = {
      cwd: home,
      env: { ...env(), ...TOLD },
      encoding: "utf8" as const,
      // A process that does not end when asked would hold the limit up. arcrun's own writes are
      // transactions: killed, it leaves what was there before.
      killSignal: "SIGKILL" as const,
      maxBuffer: most,
      shell: false,
      timeout,
      windowsHide: true,
      ...(signal === undefined ? {} : { signal }),
    };
    return new Promise<Finished>((resolve, reject) => {
      execFile(program, [...args], options, (error, stdout, stderr) => {
        if (error === null) resolve({ code: 0, stdout, stderr });
        else if (typeof error.code === "number") resolve({ code: error.code, stdout, stderr });
        else reject(fault(error, args, timeout));
      });
    });
  };
}

function fault(
  error: Error & { code?: unknown; killed?: boolean },
  args: readonly string[],
  timeout: number,
): Error {
  const typed = ["arcrun", ...args].join(" ");
  if (error.name === "AbortError") return error;
  if (error.code === "ERR_CHILD_PROCESS_STDIO_MAXBUFFER") {
    return new ArcrunFault("arcrun said more than is read here.", `${typed} in a terminal`);
  }
  if (error.killed === true) {
    return new TookTooLong(
      `arcrun did not answer within ${timeout / 1000} seconds.`,
      `${typed} in a terminal`,
    );
  }
  if (error.code === undefined || error.code === null) {
    return new ArcrunFault("arcrun was ended by a signal.", `${typed} in a terminal`);
  }
  return new ArcrunFault(
    `arcrun could not be started (${String(error.code)}).`,
    "see the setting arcrun.path",
  );
}

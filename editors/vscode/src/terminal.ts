// `arcrun setup` in a terminal of its own, where it may ask for keys and show addresses.
import { homedir } from "node:os";
import * as vscode from "vscode";

/** What a terminal is to start. */
export interface Start {
  readonly shellPath: string;
  readonly shellArgs: string[];
  readonly env: Record<string, string>;
}

const STAY = "It did not work. Press Enter to close.";

// A terminal closes with its process, and with it goes what arcrun said of a failure. So a few
// fixed words of a shell wait for a key then. Program and name are not part of them: they come as
// parameters, or in variables, so nothing that could stand in them is read as shell.
const POSIX = `"$0" setup "$1" && exit 0; code=$?; printf '\\n${STAY} '; read -r _; exit "$code"`;
const POWERSHELL =
  "& $env:CONNECT_PROGRAM setup $env:CONNECT_NAME; $code = $LASTEXITCODE; " +
  `if ($code -ne 0) { Read-Host "\`n${STAY}" | Out-Null }; exit $code`;

/** How `program setup name` is started so that what it says of a failure can be read. */
export function startOf(program: string, name: string, platform: NodeJS.Platform): Start {
  if (platform !== "win32")
    return { shellPath: "/bin/sh", shellArgs: ["-c", POSIX, program, name], env: {} };
  return {
    shellPath: "powershell.exe",
    shellArgs: ["-NoProfile", "-NoLogo", "-Command", POWERSHELL],
    env: { CONNECT_PROGRAM: program, CONNECT_NAME: name },
  };
}

/** Opens it, and waits until it is closed. Whether arcrun has said that it worked. */
export function setUp(program: string, name: string): Promise<boolean> {
  const terminal = vscode.window.createTerminal({
    ...startOf(program, name, process.platform),
    name: `arcrun setup ${name}`,
    cwd: homedir(),
    iconPath: new vscode.ThemeIcon("key"),
    isTransient: true,
  });
  terminal.show();
  return new Promise((resolve) => {
    const waiting = vscode.window.onDidCloseTerminal((closed) => {
      if (closed !== terminal) return;
      waiting.dispose();
      resolve(closed.exitStatus?.code === 0);
    });
  });
}

// Which arcrun is started? Never one that a workspace brings: that would be its code, run by
// opening a folder.
import { accessSync, constants, statSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import { NotFound } from "./faults";

/** The machine, as far as it matters here. */
export interface Machine {
  readonly platform: NodeJS.Platform;
  readonly home: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

function executable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/**
 * The absolute path of arcrun. `setting` is the user's, empty for the one in PATH; a relative
 * entry of PATH is passed over, since it means a folder that somebody else may have chosen.
 * An editor started from a desktop may have a short PATH: `~/.local/bin` is looked at too.
 */
export function locate(setting: string, machine: Machine): string {
  const { platform, home, env } = machine;
  const wanted = setting.trim().replace(/^~(?=[/\\])/, () => home);
  if (wanted !== "") {
    if (!isAbsolute(wanted)) {
      throw new NotFound(
        "The setting arcrun.path is not an absolute path.",
        "set it in your user settings",
      );
    }
    if (!executable(wanted))
      throw new NotFound(`There is no program ${wanted}.`, "see the setting arcrun.path");
    return wanted;
  }
  const windows = platform === "win32";
  const path = (env["PATH"] ?? env["Path"] ?? "").split(windows ? ";" : ":").filter(isAbsolute);
  const name = windows ? "arcrun.exe" : "arcrun"; // a .cmd would need a shell
  const found = [...path, join(home, ".local", "bin")]
    .map((folder) => join(folder, name))
    .find(executable);
  if (found === undefined) throw new NotFound("arcrun is not found.", "pip install arcrun-auth");
  return found;
}

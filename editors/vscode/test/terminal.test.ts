import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { after, test } from "node:test";
import { startOf } from "../src/terminal";
import { PROGRAM, Stage } from "./stage";

const stage = new Stage();
after(() => stage.end());

function play(
  name: string,
  code: number,
  input: string,
): { status: number | null; stdout: string } {
  stage.plays({ [`setup ${name}`]: { stdout: "said\n", code } });
  const { shellPath, shellArgs, env } = startOf(PROGRAM, name, "linux");
  return spawnSync(shellPath, shellArgs, {
    input,
    encoding: "utf8",
    env: { ...process.env, ...env },
  });
}

test("what works closes the terminal at once", () => {
  const { status, stdout } = play("notion", 0, "");
  assert.deepEqual([status, stdout], [0, "said\n"]);
});

test("what fails stays to be read, and keeps its exit code", () => {
  const { status, stdout } = play("notion@work", 5, "\n");
  assert.equal(status, 5);
  assert.match(stdout, /^said\n\nIt did not work\. Press Enter to close\. $/);
});

test("no name is read as shell", () => {
  const name = '"; echo pwned; $(echo pwned) `echo pwned`';
  const { status, stdout } = play(name, 0, "");
  assert.deepEqual([status, stdout], [0, "said\n"]);
  assert.deepEqual(stage.typed, [`setup ${name}`]);
});

test("on Windows neither program nor name is part of what the shell reads", () => {
  const start = startOf("C:\\a b\\arcrun.exe", "x'; calc", "win32");
  assert.deepEqual(start.env, { CONNECT_PROGRAM: "C:\\a b\\arcrun.exe", CONNECT_NAME: "x'; calc" });
  assert.ok(!start.shellArgs.some((arg) => arg.includes("calc") || arg.includes("a b")));
});

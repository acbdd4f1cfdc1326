import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join, relative } from "node:path";
import { after, test } from "node:test";
import { NotFound } from "../src/faults";
import { locate, type Machine } from "../src/locate";

const root = mkdtempSync(join(tmpdir(), "arcrun-editor-"));
after(() => rmSync(root, { recursive: true }));

function program(...parts: string[]): string {
  const path = join(root, ...parts);
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, "");
  chmodSync(path, 0o755);
  return path;
}

const machine = (path: string, platform: NodeJS.Platform = "linux"): Machine => ({
  platform,
  home: join(root, "home"),
  env: { PATH: path },
});

test("the first one in PATH that can be executed is taken", () => {
  const found = program("two", "arcrun");
  mkdirSync(join(root, "folder", "arcrun"), { recursive: true });
  const dead = program("one", "arcrun");
  chmodSync(dead, 0o644);
  const path = ["one", "folder", "two"].map((name) => join(root, name)).join(delimiter);
  assert.equal(locate("", machine(path)), found);
});

test("a relative entry of PATH leads nowhere, be it a full or an empty one", () => {
  program("here", "arcrun");
  const near = relative(process.cwd(), join(root, "here"));
  assert.throws(() => locate("", machine(["", ".", near].join(delimiter))), NotFound);
});

test("where PATH has none, the one of the user's own folder is found", () => {
  assert.throws(() => locate("", machine("")), NotFound);
  const own = program("home", ".local", "bin", "arcrun");
  assert.equal(locate("", machine("")), own);
  assert.equal(locate(" ", { ...machine(""), env: {} }), own);
  rmSync(own);
});

test("on Windows it is the .exe, since anything else would need a shell", () => {
  program("windows", "arcrun.cmd");
  assert.throws(() => locate("", machine(join(root, "windows"), "win32")), NotFound);
  const found = program("windows", "arcrun.exe");
  const { PATH: Path } = machine(join(root, "windows")).env;
  assert.equal(locate("", { ...machine("", "win32"), env: { Path } }), found);
});

test("the user's setting is an absolute path, or one below the home", () => {
  const own = program("home", "tools", "arcrun");
  assert.equal(locate(own, machine("")), own);
  assert.equal(locate("~/tools/arcrun", machine("")), own);
  for (const setting of ["arcrun", "./arcrun", "~ada/arcrun", "bin/arcrun"]) {
    assert.throws(() => locate(setting, machine(join(root, "two"))), /not an absolute path/);
  }
  assert.throws(
    () => locate(join(root, "nowhere"), machine(join(root, "two"))),
    /There is no program/,
  );
});

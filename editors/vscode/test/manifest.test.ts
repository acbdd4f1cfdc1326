// What package.json says, held against what the code does.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

const root = join(__dirname, "..");
const text = (...parts: string[]): string => readFileSync(join(root, ...parts), "utf8");
const manifest = JSON.parse(text("package.json")) as Record<string, any>;
const sources = readdirSync(join(root, "src"))
  .map((name) => text("src", name))
  .join("\n");
const { contributes } = manifest as { contributes: Record<string, any> };
const commands = new Set<string>(
  contributes["commands"].map((each: { command: string }) => each.command),
);

test("the commands that are contributed are those that the code registers", () => {
  const registered = [
    ...sources.matchAll(/"(arcrun\.\w+)": |registerCommand\("(arcrun\.\w+)"/g),
  ].map((found) => found[1] ?? found[2]);
  assert.deepEqual(new Set(registered), commands);
});

test("menus and welcomes name commands and states that there are", () => {
  const menus = Object.values(contributes["menus"]).flat() as { command: string }[];
  for (const { command } of menus) assert.ok(commands.has(command), command);
  const states = new Set(["missing", "empty"]);
  for (const { when, contents } of contributes["viewsWelcome"]) {
    assert.ok(states.has(/== (\w+)$/.exec(when)?.[1] ?? ""), when);
    for (const [, id] of contents.matchAll(/command:(arcrun\.\w+)/g))
      assert.ok(commands.has(id), id);
  }
  assert.ok(
    contributes["viewsWelcome"].some(({ contents }: { contents: string }) =>
      contents.includes("pip install arcrun-auth"),
    ),
  );
});

test("a workspace chooses neither the program nor the server", () => {
  const settings = contributes["configuration"].properties as Record<string, { scope: string }>;
  assert.deepEqual(Object.keys(settings), ["arcrun.path", "arcrun.mcp.enabled"]);
  for (const { scope } of Object.values(settings)) assert.equal(scope, "machine");
  const { untrustedWorkspaces } = manifest["capabilities"];
  assert.equal(untrustedWorkspaces.supported, "limited");
  assert.deepEqual(untrustedWorkspaces.restrictedConfigurations, Object.keys(settings));
});

test("it hands no token to other extensions, keeps nothing, and has no dependency", () => {
  assert.equal(contributes["authentication"], undefined);
  assert.equal(manifest["dependencies"], undefined);
  const kept =
    /vscode\.authentication|\.(secrets|globalState|workspaceState|globalStorageUri|storageUri)\b/.exec(
      sources,
    );
  assert.equal(kept, null, kept?.[0]);
});

test("one place starts processes, and never by a shell", () => {
  const imports = sources
    .split("\n")
    .filter((line) => /from "(node:)?(child_process|net|http|https)"|\bfetch\(/.test(line));
  assert.deepEqual(imports, ['import { execFile } from "node:child_process";']);
  assert.deepEqual(sources.match(/shell: \w+/g), ["shell: false"]);
});

test("what it is licensed under is what the project is", () => {
  assert.equal(text("LICENSE"), text("..", "..", "LICENSE"));
});

test("the settings and commands are those of its readme", () => {
  const readme = text("README.md");
  for (const { title } of contributes["commands"])
    assert.ok(readme.includes(`**${title.replace("…", "")}**`), title);
  for (const name of Object.keys(contributes["configuration"].properties))
    assert.ok(readme.includes(`\`${name}\``), name);
  assert.ok(text("CHANGELOG.md").includes(`## ${manifest["version"]}`));
});

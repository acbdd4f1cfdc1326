// The real arcrun of this checkout: are its answers of the shapes that are read here? Nothing leaves
// the machine: the proxy for whatever would be sent is a closed port.
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { Arcrun } from "../src/arcrun";
import { connected, standing } from "../src/connections";
import { runner } from "../src/run";

const program =
  process.env["ARCRUN_TEST_PROGRAM"] ?? join(__dirname, "..", "..", "..", ".venv", "bin", "arcrun");
const absent = existsSync(program) ? false : `needs ${program}: make .venv/.package`;
const skip = process.env["ARCRUN_TEST_NO_SKIP"] === "1" ? false : absent;

const home = mkdtempSync(join(tmpdir(), "arcrun-editor-"));
after(() => rmSync(home, { recursive: true }));

const KEY = "canary-of-the-editor-0123456789";
const env = (): NodeJS.ProcessEnv => ({
  PATH: process.env["PATH"],
  HOME: home,
  ARCRUN_HOME: join(home, "arcrun"),
  ARCRUN_KEYRING: "off",
  ARCRUN_NOTION_TOKEN: KEY,
  HTTPS_PROXY: "http://127.0.0.1:9",
});
const run = runner(() => program, home, env);
const arcrun = new Arcrun(run);

test("the list is read, with a connection of the environment in it", { skip }, async () => {
  const services = await arcrun.services();
  assert.ok(services.length > 100);
  const found = connected(services);
  assert.deepEqual(
    found.map((each) => [each.name, standing(each)]),
    [["notion", "connected"]],
  );
  assert.ok(!JSON.stringify(services).includes(KEY));
});

test("a search finds by what a service does, and takes a dash for text", { skip }, async () => {
  assert.ok((await arcrun.search("mail")).some((service) => service.service === "gmail"));
  assert.deepEqual(await arcrun.search("--all qqqq"), []);
});

test("why is read, and says what disconnecting would do", { skip }, async () => {
  const why = await arcrun.why("notion");
  assert.deepEqual([why.status, why.can_revoke, why.shared_with], ["connected", false, []]);
});

test(
  "what the environment brings cannot be disconnected, and arcrun says so",
  { skip },
  async () => {
    await assert.rejects(arcrun.remove("notion", false), /comes from the environment/);
  },
);

test("a test that cannot be sent is a result with a reason", { skip }, async () => {
  const result = await arcrun.test("notion");
  assert.deepEqual([result.name, result.ok], ["notion", false]);
  assert.ok(result.message && !result.message.includes(KEY));
});

test("a service that nobody knows is an error with its hint", { skip }, async () => {
  await assert.rejects(
    arcrun.why("notoin"),
    (error: Error & { hint?: string }) => /notoin/.test(error.message) && error.hint !== "",
  );
});

test("a snippet is a program, and there is a version", { skip }, async () => {
  assert.match(await arcrun.snippet("notion"), /from arcrun import auth/);
  assert.match(await arcrun.version(), /^\d+\.\d+/);
});

import assert from "node:assert/strict";
import { after, beforeEach, test } from "node:test";
import { Arcrun } from "../src/arcrun";
import { ArcrunFault, NotFound, TookTooLong, Unreadable } from "../src/faults";
import { locate } from "../src/locate";
import { type Run, runner } from "../src/run";
import { PROGRAM, service, Stage } from "./stage";

const stage = new Stage();
after(() => stage.end());
beforeEach(() => stage.plays({}));

const run = runner(
  () => PROGRAM,
  stage.folder,
  () => process.env,
  100_000,
);
const arcrun = new Arcrun(run);

test("arguments arrive as they are, in the home, with nobody at a terminal", async () => {
  const odd = "a b;$(touch x)\"'`*\\";
  stage.plays({ [`snippet ${odd}`]: { stdout: "code" } });
  assert.deepEqual(await run(["snippet", odd]), { code: 0, stdout: "code", stderr: "" });
  assert.deepEqual(stage.calls, [
    {
      args: ["snippet", odd],
      cwd: stage.folder,
      ARCRUN_INTERACTIVE: "false",
      NO_COLOR: "1",
      stdin: "other",
    },
  ]);
});

test("an exit code is an answer", async () => {
  stage.plays({ test: { stdout: "out", stderr: "err", code: 6 } });
  assert.deepEqual(await run(["test"]), { code: 6, stdout: "out", stderr: "err" });
});

test("one that does not end is stopped, even if it takes no notice", async () => {
  stage.plays({ list: { hang: true } });
  await assert.rejects(
    run(["list"], { timeout: 700 }),
    (error) => error instanceof TookTooLong && /0.7 seconds/.test(error.message),
  );
});

test("one that is no longer wanted is stopped", async () => {
  stage.plays({ list: { hang: true } });
  const stop = new AbortController();
  const running = run(["list"], { signal: stop.signal });
  stop.abort();
  await assert.rejects(running, { name: "AbortError" });
});

test("one that says too much is stopped", async () => {
  stage.plays({ list: { flood: 200_000 } });
  await assert.rejects(
    run(["list"]),
    (error) => error instanceof ArcrunFault && /more than is read/.test(error.message),
  );
});

test("one that a signal ended, or that could not be started, is told apart", async () => {
  stage.plays({ list: { signal: "SIGTERM" } });
  await assert.rejects(run(["list"]), /ended by a signal/);
  await assert.rejects(
    runner(
      () => stage.folder,
      stage.folder,
      () => process.env,
    )(["list"]),
    /could not be started \(EACCES\)/,
  );
});

test("where none is found nothing is started", async () => {
  const none = runner(
    () => locate("", { platform: "linux", home: stage.folder, env: {} }),
    stage.folder,
    () => process.env,
  );
  await assert.rejects(none(["list"]), NotFound);
});

test("an error of arcrun's is told with its hint", async () => {
  const error = {
    type: "StoreLocked",
    message: "The vault is locked.",
    hint: "arcrun vault status",
  };
  stage.plays({ "list --json": { json: { error }, stderr: "✗ The vault is locked.\n", code: 4 } });
  await assert.rejects(arcrun.services(), {
    message: "The vault is locked.",
    hint: "arcrun vault status",
  });
});

test("without one, what it said on stderr is told, or at least its exit code", async () => {
  const list = (answer: object) => stage.plays({ "list --json": answer });
  list({ stderr: "✗ No.\n  → arcrun --help\n", code: 2 });
  await assert.rejects(arcrun.services(), { message: "No. · arcrun --help" });
  list({ code: 3, stdout: "{" });
  await assert.rejects(arcrun.services(), /exit code 3/);
  list({ stdout: "{" });
  await assert.rejects(arcrun.services(), Unreadable);
});

test("what is searched for is no option, whatever it begins with", async () => {
  stage.plays({ "list --search=--all --json": { json: { services: [service("notion")] } } });
  assert.deepEqual(await arcrun.search("--all"), [service("notion")]);
});

test("a test that failed is a result, not a fault", async () => {
  const result = {
    name: "notion",
    ok: false,
    account: null,
    message: "The key is refused.",
    hint: "arcrun setup notion",
  };
  stage.plays({ "test notion --json": { json: { results: [result] }, code: 5 } });
  assert.deepEqual(await arcrun.test("notion"), result);
  stage.plays({ "test notion --json": { json: { results: [] } } });
  await assert.rejects(arcrun.test("notion"), /was not tested/);
  stage.plays({
    "test notion --json": {
      json: { error: { type: "A", message: "Locked.", hint: null } },
      code: 4,
    },
  });
  await assert.rejects(arcrun.test("notion"), { message: "Locked.", hint: "" });
});

test("each verb is the command line that it stands for", async () => {
  const typed: string[] = [];
  const noting: Run = async (args) => {
    typed.push(args.join(" "));
    return { code: 0, stdout: "arcrun-auth 0.5.0\n", stderr: "✓ Done.\n" };
  };
  const fake = new Arcrun(noting);
  assert.equal(await fake.remove("notion", false), "Done.");
  assert.equal(await fake.remove("notion@work", true), "Done.");
  assert.equal(await fake.snippet("notion"), "arcrun-auth 0.5.0\n");
  assert.equal(await fake.version(), "0.5.0");
  await fake.checkMcp();
  assert.deepEqual(typed, [
    "remove notion --yes --no-input",
    "remove notion@work --revoke --yes --no-input",
    "snippet notion",
    "--version",
    "mcp --help",
  ]);
});

test("each verb throws what arcrun says where it fails", async () => {
  const failing = new Arcrun(async () => ({ code: 1, stdout: "", stderr: "✗ It cannot.\n" }));
  for (const action of [
    () => failing.remove("a", false),
    () => failing.snippet("a"),
    () => failing.version(),
    () => failing.checkMcp(),
    () => failing.why("a"),
  ]) {
    await assert.rejects(action, { message: "It cannot." });
  }
});

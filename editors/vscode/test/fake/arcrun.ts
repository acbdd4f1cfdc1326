// A program in the place of arcrun: it answers what it is told to by the file FAKE_ARCRUN, notes how
// it was called, and takes no other command line.
import { appendFileSync, readFileSync } from "node:fs";
import type { Play } from "../stage";

const play = JSON.parse(readFileSync(process.env["FAKE_ARCRUN"] ?? "", "utf8")) as Play;
const args = process.argv.slice(2);
const { ARCRUN_INTERACTIVE, NO_COLOR } = process.env;
const stdin = process.stdin.isTTY === true ? "terminal" : "other";
appendFileSync(
  play.log,
  `${JSON.stringify({ args, cwd: process.cwd(), ARCRUN_INTERACTIVE, NO_COLOR, stdin })}\n`,
);

const answer = play.answers[args.join(" ")];
if (answer === undefined) {
  process.stderr.write(`not in the play: ${args.join(" ")}\n`);
  process.exitCode = 99;
} else {
  process.stderr.write(answer.stderr ?? "");
  process.stdout.write("x".repeat(answer.flood ?? 0));
  process.stdout.write(
    answer.stdout ??
      (answer.json === undefined ? "" : JSON.stringify({ schema: 1, ...answer.json })),
  );
  process.exitCode = answer.code ?? 0;
  if (answer.signal !== undefined) process.kill(process.pid, answer.signal);
  if (answer.hang === true) {
    process.on("SIGTERM", () => undefined);
    setInterval(() => undefined, 1000);
  }
}

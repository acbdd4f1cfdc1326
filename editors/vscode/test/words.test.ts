import assert from "node:assert/strict";
import { test } from "node:test";
import { away, count, plain, said } from "../src/words";

const NOW = Date.parse("2026-05-01T12:00:00Z");

test("text of others is one line, without links, icons and what reorders it", () => {
  assert.equal(
    plain("[click](command:workbench.action.terminal.new)"),
    "[click] (command:workbench.action.terminal.new)",
  );
  assert.equal(plain("$(alert) paid"), "$ (alert) paid");
  assert.equal(plain(" a\n\tb\u0000\u202Ec\u2028d "), "a b c d");
});

test("long text is cut, and never through a letter", () => {
  assert.equal(plain("abcdef", 4), "abc…");
  assert.equal(plain("abcd", 4), "abcd");
  assert.equal(plain("🔑🔑🔑", 2), "🔑…");
});

test("what arcrun says to a terminal becomes one line without its marks", () => {
  const stderr =
    "✓ notion is forgotten here.\nIt may still work at Notion.\n\n  → next time: arcrun remove notion --revoke\n";
  assert.equal(
    said(stderr),
    "notion is forgotten here. · It may still work at Notion. · next time: arcrun remove notion --revoke",
  );
  assert.equal(said("\n"), "");
});

test("how far a moment is away is told in the largest unit that fits, never rounded up", () => {
  for (const [moment, wanted] of [
    ["2026-05-04T11:59:00Z", "in 2 days"],
    ["2026-05-01T15:00:00Z", "in 3 hours"],
    ["2026-05-01T12:01:30Z", "in 1 minute"],
    ["2026-05-01T12:00:30Z", "in less than a minute"],
    ["2026-05-01T11:59:59Z", "just now"],
    ["2026-04-29T11:00:00Z", "2 days ago"],
  ] as const) {
    assert.equal(away(moment, NOW), wanted);
  }
});

test("one is not counted as many", () => {
  assert.equal(count(1, "connection"), "1 connection");
  assert.equal(count(2, "connection"), "2 connections");
});

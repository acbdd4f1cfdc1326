// Text of others (accounts, providers, recipes) on its way to the editor's surfaces.

const LONGEST = 400;

/**
 * One line, cut, and without what the editor would make something of: a notification turns
 * `[text](command:…)` into a link that runs a command, a label turns `$(name)` into an icon.
 */
export function plain(text: string, longest: number = LONGEST): string {
  const line = text
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\s]+/gu, " ")
    .replace(/\](?=\()/g, "] ")
    .replace(/\$(?=\()/g, "$ ")
    .trim();
  const letters = Array.from(line);
  return letters.length > longest ? `${letters.slice(0, longest - 1).join("")}…` : line;
}

/** What arcrun says to people on stderr, as one line: its marks and arrows are for a terminal. */
export function said(stderr: string): string {
  const lines = stderr.split("\n").map((line) => line.replace(/^\s*(?:[✓✗⚠!→]|->)\s*/u, ""));
  return plain(lines.filter((line) => line.trim() !== "").join(" · "));
}

const STEPS: readonly (readonly [Intl.RelativeTimeFormatUnit, number])[] = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];

/** `in 3 days`, `2 hours ago`; `moment` is ISO 8601, `now` milliseconds since the epoch. */
export function away(moment: string, now: number): string {
  const seconds = (Date.parse(moment) - now) / 1000;
  const format = new Intl.RelativeTimeFormat("en", { numeric: "always" });
  for (const [unit, size] of STEPS) {
    if (Math.abs(seconds) >= size) return format.format(Math.trunc(seconds / size), unit);
  }
  return seconds >= 0 ? "in less than a minute" : "just now";
}

/** `3 connections`, `1 connection`. */
export const count = (number: number, what: string): string =>
  `${number} ${what}${number === 1 ? "" : "s"}`;

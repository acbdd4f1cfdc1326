// The answers of `arcrun … --json` that are used here, checked as they are read. The table of all
// of them is in arcrun's reference of its command, "JSON output": fields not known are ignored.
import { Unreadable } from "./faults";

type Reader<T> = (value: unknown, at: string) => T;
type Out<R> = R extends Reader<infer T> ? T : never;

const wrong = (at: string, wanted: string): never => {
  throw new Unreadable(
    `arcrun's answer is not what was expected: ${at} is not ${wanted}.`,
    "update arcrun-auth, or this extension",
  );
};

const text: Reader<string> = (value, at) => (typeof value === "string" ? value : wrong(at, "text"));
const flag: Reader<boolean> = (value, at) =>
  typeof value === "boolean" ? value : wrong(at, "true or false");

const orNull =
  <T>(read: Reader<T>): Reader<T | null> =>
  (value, at) =>
    value === null || value === undefined ? null : read(value, at);

const list =
  <T>(read: Reader<T>): Reader<readonly T[]> =>
  (value, at) =>
    Array.isArray(value) ? value.map((each, n) => read(each, `${at}[${n}]`)) : wrong(at, "a list");

const moment: Reader<string> = (value, at) =>
  Number.isNaN(Date.parse(text(value, at))) ? wrong(at, "a time") : text(value, at);

function record<F extends Record<string, Reader<unknown>>>(
  fields: F,
): Reader<{ readonly [K in keyof F]: Out<F[K]> }> {
  return (value, at) => {
    if (typeof value !== "object" || value === null) return wrong(at, "an object");
    const given = new Map<string, unknown>(Object.entries(value));
    const read = Object.entries(fields).map(([name, reader]) => [
      name,
      reader(given.get(name), `${at}.${name}`),
    ]);
    return Object.fromEntries(read) as { [K in keyof F]: Out<F[K]> };
  };
}

const connection = record({
  instance: text,
  method: text,
  status: text,
  account: orNull(text),
  expires_at: orNull(moment),
  can_renew: flag,
  refresh_expires_at: orNull(moment),
  can_extend: flag,
  secret_expires_at: orNull(moment),
  warnings: list(text),
  scopes: list(text),
});

const service = record({
  service: text,
  display_name: text,
  category: text,
  account: text,
  status: text,
  methods: list(text),
  connected: flag,
  instances: list(connection),
});

const tested = record({
  name: text,
  ok: flag,
  account: orNull(text),
  message: orNull(text),
  hint: orNull(text),
});

/** One connection of a service, as `arcrun list --json` has it. */
export type Connection = Out<typeof connection>;
/** A service with its connections. */
export type Service = Out<typeof service>;
/** What came of a test request. */
export type Tested = Out<typeof tested>;
/** What there is to know before a connection is removed. */
export type Why = Out<typeof readWhy>;

export const readList = record({ services: list(service) });
export const readTest = record({ results: list(tested) });
export const readWhy = record({
  status: text,
  identity: orNull(text),
  can_revoke: flag,
  shared_with: list(text),
});
export const readError = record({
  error: record({ type: text, message: text, hint: orNull(text) }),
});

/** The version of the answers that is read here. */
export const SCHEMA = 1;

/** The object that `stdout` is. Throws Unreadable where it is none, or of another schema. */
export function parse(stdout: string): object {
  let value: unknown;
  try {
    value = JSON.parse(stdout);
  } catch {
    return wrong("it", "JSON");
  }
  if (typeof value !== "object" || value === null) return wrong("it", "an object");
  if (!("schema" in value) || value.schema !== SCHEMA) return wrong("schema", `${SCHEMA}`);
  return value;
}

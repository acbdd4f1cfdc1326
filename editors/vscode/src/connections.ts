// From services to what a person sees: connections, how each stands, what needs somebody. Pure.
import type { Connection, Service } from "./shapes";
import { away, plain } from "./words";

/** How it stands. `ending`: it works, and somebody should see to it soon. */
export type Standing = "connected" | "untested" | "ending" | "expired" | "ended" | "incomplete";

/** What one credential connects: services that share an account share a connection. */
export interface Connected {
  /** As it is typed: `notion`, `notion@work`. */
  readonly name: string;
  readonly title: string;
  /** All services that use it; the one that it is named after is the first. */
  readonly services: readonly Service[];
  readonly instance: string;
  readonly connection: Connection;
}

const DEFAULT = "default";

/** What stands in a warning before the command to type. */
const ARROW = " → ";

/** `notion@work`, or `notion` for the instance that is meant where none is named. */
export const nameOf = (service: string, instance: string): string =>
  instance === DEFAULT ? service : `${service}@${instance}`;

/** The connections, those that need somebody first, then by title. */
export function connected(services: readonly Service[]): readonly Connected[] {
  const groups = new Map<string, { connection: Connection; services: Service[] }>();
  for (const service of services) {
    for (const connection of service.instances) {
      const key = JSON.stringify([service.account, connection.instance]);
      const group = groups.get(key);
      if (group === undefined) groups.set(key, { connection, services: [service] });
      else if (service.service !== service.account) group.services.push(service);
      else groups.set(key, { connection, services: [service, ...group.services] });
    }
  }
  return [...groups.values()].flatMap(asConnected).sort(inOrder);
}

function asConnected(group: { connection: Connection; services: readonly Service[] }): Connected[] {
  return group.services.slice(0, 1).map((main) => {
    const { instance } = group.connection;
    const title = plain(main.display_name, 80) + (instance === DEFAULT ? "" : ` (${instance})`);
    return { ...group, name: nameOf(main.service, instance), title, instance };
  });
}

function inOrder(one: Connected, other: Connected): number {
  const urgency = Number(needsSomebody(other)) - Number(needsSomebody(one));
  return urgency || one.title.localeCompare(other.title, "en") || (one.name < other.name ? -1 : 1);
}

/** In one word; a token that has ended and renews itself is as good as a new one. */
export function standing({ connection }: Connected): Standing {
  const { status, can_renew: renews, warnings } = connection;
  if (status === "incomplete") return "incomplete";
  if (status === "expired" && !renews) return "expired";
  if (status !== "connected" && status !== "untested" && status !== "expired") return "ended";
  if (warnings.length > 0) return "ending";
  return status === "untested" ? "untested" : "connected";
}

/** Whether it has ended, will end soon, or was never whole. */
export const needsSomebody = (found: Connected): boolean =>
  !["connected", "untested"].includes(standing(found));

const RENEWS = "renews itself";

/** Until when it works without a person; empty where there is no end. */
export function expiry({ connection }: Connected, now: number): string {
  const { secret_expires_at: key, refresh_expires_at: login, expires_at: token } = connection;
  if (key !== null) return ends("key", key, now);
  if (login !== null && !connection.can_extend) return ends("login", login, now);
  if (token === null) return "";
  return connection.can_renew ? RENEWS : ends("token", token, now);
}

const ends = (what: string, moment: string, now: number): string =>
  `${what} ${Date.parse(moment) > now ? "ends" : "ended"} ${away(moment, now)}`;

/** The line beside its title: what needs somebody comes first, since the line may be cut. */
export function summary(found: Connected, now: number): string {
  const state = standing(found);
  const account = plain(found.connection.account ?? "", 80);
  const end = expiry(found, now);
  // What ends soon says when, where that is known: an unused login ends, and renews itself.
  const word = state === "ending" && end !== "" && end !== RENEWS ? "" : stateWord(found);
  const parts = needsSomebody(found)
    ? [word, end === RENEWS ? "" : end, account]
    : [account, state === "connected" ? "" : word, end];
  return parts.filter((part) => part !== "").join(" · ");
}

/** How it stands, in words; what has ended is called what arcrun calls it. */
function stateWord(found: Connected): string {
  const state = standing(found);
  if (state === "ended") return plain(found.connection.status, 40);
  return state === "ending" ? "ends soon" : state;
}

/** A warning without the command that it ends with. */
export const warningText = (warning: string): string => plain(warning.split(ARROW)[0] ?? "");

/** Everything about it, one fact a line. */
export function details(found: Connected, now: number): readonly string[] {
  const { connection, services, name } = found;
  const others = services.slice(1).map((service) => plain(service.display_name, 80));
  return [
    `${name}: ${stateWord(found)}`,
    ...line("Account", plain(connection.account ?? "", 120)),
    ...line("Way in", plain(connection.method, 40)),
    ...line("Expiry", expiry(found, now)),
    ...line("Scopes", plain([...connection.scopes].sort().join(" "))),
    ...line("Also", others.join(", ")),
    ...connection.warnings.map(warningText),
  ];
}

const line = (label: string, text: string): readonly string[] =>
  text === "" ? [] : [`${label}: ${text}`];

/** What somebody has to see to, one line each. */
export const attention = (found: readonly Connected[], now: number): readonly string[] =>
  found.filter(needsSomebody).map((each) => {
    const [warning] = each.connection.warnings;
    return `${each.name}: ${warning === undefined ? summary(each, now) : warningText(warning)}`;
  });

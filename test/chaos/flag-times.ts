// Which event belongs to which flag. The events of the internal log have no number on the wire.
import { assign } from "./assign.ts";
import { FLAG_EVENT } from "./audience.ts";
import type { Chat, Connection, Flag } from "./history.ts";

/** A flag that a connection must have received by then. `isShown`: its first snapshot shows the flag. */
export type Due = { flag: Flag; until: number; isShown: boolean };

/** The database stores the time in whole ms, perhaps rounded up. */
const ROUNDING_MS = 2;

type Event = Connection["received"][number];
const isFrom = ({ about }: Event, { actor }: Flag) => about === actor;
const hasSeverity = ({ t, severity = 0 }: Event, flag: Flag) => flag.severity === severity && flag.t - ROUNDING_MS <= t;

/**
 * When a connection received each of these flags of a chat. An event belongs to a flag of its severity. An event from the
 * database has the severity that the chat had when it was read: perhaps of a later entry. Flags that are left without an event
 * get one that fits, if every other flag keeps one. A flag that the first snapshot shows takes no event from the others.
 */
export function timesOf({ received, to }: Connection, { chat, flags }: Chat, due: Due[]): Map<Due, number> {
  const isInTime = ({ t }: Event, { until }: Due) => t <= until;
  const isOwn = (event: Event, { flag }: Due) => isFrom(event, flag) && hasSeverity(event, flag);
  const fits = (event: Event, { flag }: Due) =>
    isFrom(event, flag) && flags.slice(flag.number - 1).some((one) => hasSeverity(event, one));

  // A connection that ended before may miss a flag: the flags that it may not miss come first.
  const mayMiss = ({ until }: Due) => to <= until;
  const wanted = due.filter(({ isShown }) => !isShown).sort((a, b) => Number(mayMiss(a)) - Number(mayMiss(b)));
  const events = received.filter(({ event, chat: id }) => event === FLAG_EVENT && id === chat);
  const dueOf = assign(wanted, events, (event, one) => isInTime(event, one) && isOwn(event, one));
  assign(wanted, events, (event, one) => isInTime(event, one) && fits(event, one), dueOf);
  // The others came too late, or never.
  const left = events.filter((event) => !dueOf.has(event));
  const late = assign(
    wanted.filter((one) => !new Set(dueOf.values()).has(one)),
    left,
    fits,
  );
  return new Map([...dueOf, ...late].map(([{ t }, one]) => [one, t]));
}

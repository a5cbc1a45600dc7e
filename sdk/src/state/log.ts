import type { Chat, Log, Message } from "../types.ts";
import { patch } from "./share.ts";

/** A chat on the screen, and what is known about its numbers. */
export interface Held<C, V extends Chat & Log<C> = Chat & Log<C>> {
  readonly view: V;
  /** The stored messages, by number. */
  readonly rows: readonly Message<C>[];
  /** Older messages than this number are not here. Infinity: none is here. */
  readonly floor: number;
  /** Nothing is missing between `floor` and this number. */
  readonly whole: number;
  readonly read: number;
  /** The chat is closed, and its last messages are here. */
  readonly hasEnding?: boolean;
}
export type Rows<C> = Pick<Held<C>, "rows" | "floor" | "whole">;

const seqOf = <C>(message: Message<C>): number => message.seq as number;

/** Adds stored messages. A number that is here already stays as it is. */
export function insert<C>({ rows, floor, whole }: Rows<C>, added: readonly Message<C>[]): Rows<C> {
  let next: Message<C>[] | undefined;
  for (const row of added) {
    const seq = seqOf(row);
    // It doesn't join on: an older page brings it.
    if (floor !== Number.POSITIVE_INFINITY && seq < floor - 1) continue;
    const list: readonly Message<C>[] = next ?? rows;
    let at = list.length;
    while (at > 0 && seqOf(list[at - 1] as Message<C>) > seq) at--;
    if (list[at - 1]?.seq !== seq) {
      // `concat` is the fastest copy of a frozen array.
      next = at === list.length ? list.concat(row) : [...list.slice(0, at), row, ...list.slice(at)];
    }
    if (floor === Number.POSITIVE_INFINITY || seq === floor - 1) floor = seq;
    whole = Math.max(whole, floor - 1);
    // Rows that came before their turn follow.
    if (seq === whole + 1) for (let n = at; (next ?? rows)[n]?.seq === whole + 1; n++) whole++;
  }
  return { rows: next ? Object.freeze(next) : rows, floor, whole };
}

/**
 * A snapshot's newest messages of a chat with `total` numbers. Older pages stay only if nothing can be missing between
 * them and the snapshot. Newer messages than the snapshot stay: their numbers prove that they are stored.
 */
export function renew<C>(held: Rows<C> | null, newest: readonly Message<C>[], total: number): Rows<C> {
  const first = newest[0]?.seq ?? total + 1;
  if (!held) return { ...insert({ rows: [], floor: first, whole: total }, newest), floor: first };
  const joins = held.whole >= first - 1 && held.floor <= first;
  const rows = joins ? held.rows : held.rows.filter((row) => seqOf(row) >= first);
  return insert({ rows, floor: joins ? held.floor : first, whole: Math.max(held.whole, total) }, newest);
}

/** A page with all messages below the number `before`, down to its first. Null: it doesn't join on. */
export function prepend<C>(held: Rows<C>, page: readonly Message<C>[], before: number): Rows<C> | null {
  if (before < held.floor && held.floor !== Number.POSITIVE_INFINITY) return null;
  const floor = Math.min(held.floor, page[0]?.seq ?? 1);
  const { rows, whole } = insert({ ...held, floor }, page);
  return { rows, floor, whole: held.floor === Number.POSITIVE_INFINITY ? (page.at(-1)?.seq ?? 0) : whole };
}

/** The other side's messages that came on to the screen; an older page doesn't count. */
export function arrivals<C>(before: Held<C>, after: Held<C>): Message<C>[] {
  const found: Message<C>[] = [];
  const [old, rows] = [before.rows, after.rows];
  for (let at = rows.length - 1, was = old.length - 1; at >= 0; at--) {
    const row = rows[at] as Message<C>;
    if (row === old[was]) {
      // All rows before it are the same.
      if (at === was) break;
      was--;
    } else if (row.by !== "me" && row.type === "text" && seqOf(row) > before.floor) found.unshift(row);
  }
  return found;
}

function unreadOf<C>(rows: readonly Message<C>[], read: number): number {
  let unread = 0;
  for (let at = rows.length - 1; at >= 0; at--) {
    const { by, type, seq } = rows[at] as Message<C>;
    if ((seq as number) <= read || (by === "me" && type === "text")) break;
    if (by !== "me" && type === "text") unread++;
  }
  return unread;
}

/** The same chat with other rows, echoes or fields. `older` in the changes overrides what the numbers say. */
export function show<C, V extends Chat & Log<C>>(
  held: Held<C, V>,
  rows: Rows<C>,
  echoes: readonly Message<C>[],
  changes: Partial<V> = {},
  read = held.read,
): Held<C, V> {
  const stored = new Set(echoes.length ? rows.rows.map(({ key }) => key) : []);
  const waiting = echoes.filter(({ key }) => !stored.has(key));
  const all = waiting.length ? [...rows.rows, ...waiting] : rows.rows;
  const { messages, older } = held.view;
  const isSame =
    all === messages || (all.length === messages.length && all.every((message, n) => message === messages[n]));
  const view = patch(held.view, {
    messages: isSame ? messages : Object.freeze(all),
    older: rows.floor <= 1 ? "none" : rows.floor === held.floor && older !== "none" ? older : "some",
    unread: rows.rows === held.rows && read === held.read ? held.view.unread : unreadOf(rows.rows, read),
    ...changes,
  } as Partial<V>);
  return patch(held, { ...rows, view, read } as Partial<Held<C, V>>);
}

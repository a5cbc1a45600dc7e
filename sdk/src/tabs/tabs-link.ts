import { claimsOf } from "../connection/token.ts";
import { ChatError } from "../errors.ts";
import type { Input, Link, LinkParts } from "../link.ts";
import type { SafeStorage } from "../storage/safe-storage.ts";
import type { OutboxEntry, TokenSource } from "../types.ts";
import { type Call, createCalls, inputOf, perform, performFor } from "./calls.ts";
import { createFollower, isVisible } from "./follower.ts";
import { type Group, joinGroup } from "./group.ts";
import type { Ask, Post } from "./posts.ts";

/**
 * The link of a store that shares one connection with the other tabs of its user. One tab leads: it has the connection,
 * makes the calls of all, and posts its inputs to the others. A message is also in the shared storage, so that the next
 * leader sends what the former one couldn't.
 * The token's user decides with which tabs to share. A tab whose token doesn't say the user has a connection of its own.
 * So has a tab without locks, channels, or a storage that tabs share.
 */
export function createTabsLink(
  parts: LinkParts,
  storage: SafeStorage,
  createDirect: (parts: LinkParts, storage: SafeStorage) => Link,
): Link {
  const { options, role, deliver } = parts;
  if (options.tabs === "each" || !globalThis.document) return createDirect(parts, storage);
  const tab = Math.random();
  const { calls, add, makeAll } = createCalls(tab, make);
  /** The messages without an end that are in the state. */
  const open = new Set<string>();
  let mode: "undecided" | "alone" | "lead" | "follow" = "undecided";
  /** The tab's own connection. */
  let direct: Link | null = null;
  let owner: string | null = null;
  let group: Group | undefined;
  /** This tab as a leader. */
  let leader = "";
  let count = 0;
  let terms = 0;
  let isOnline = false;
  let kept: Promise<unknown> | undefined;

  const post = (one: Post) => group?.post(one);
  const pong = () => post({ kind: "pong", leader, count, isWell: isOnline || isVisible() });
  const relay = (input: Input, id?: string) => {
    if (mode === "lead") post({ kind: "input", leader, count: ++count, input, id });
  };
  const apply = (input: Input) => {
    const { kind } = input;
    if (kind === "entry" || kind === "stored" || kind === "dropped") {
      const key = kind === "dropped" ? input.key : input.entry.key;
      if (kind === "entry") open.add(key);
      else open.delete(key);
      if (kind !== "entry" || input.state === "failed") end(key, kind !== "entry");
    }
    return deliver(input);
  };
  /** Ends the call that has sent a message of this tab. */
  function end(key: string, isRemoved: boolean): void {
    for (const { ask, settle } of calls.values()) {
      if (ask[0] !== "send" || ask[1].key !== key) continue;
      settle(null);
      if (isRemoved && mode === "follow") storage.remove(key);
    }
  }

  const follower = createFollower({
    ...{ tab, calls, makeAll, apply, post },
    stored: async () => new Set((await storage.load(owner as string)).map(({ key }) => key)),
    steal: () => group?.steal(),
  });

  function connect(): void {
    if (direct) return;
    const mine: Link = createDirect(
      { ...parts, options: { ...options, token }, deliver: (input) => direct === mine && onInput(input) },
      storage,
    );
    direct = mine;
    mine.start();
  }
  /** An input of the tab's own connection. */
  function onInput(input: Input): unknown {
    const state = input.kind === "connection" && input.connection.state;
    if (state) isOnline = state === "online";
    // Another tab may have a better token.
    if (state === "ended" && mode !== "undecided") leave();
    relay(input);
    return apply(input);
  }

  /** Holds the token back while another tab has the connection. */
  const token: TokenSource = async (cause, signal) => {
    const answer = await options.token(cause, signal);
    const user = answer === null ? undefined : claimsOf(answer).sub;
    const whose = `${new URL(options.url)}|${user}`;
    if (!signal.aborted && mode !== "alone" && whose !== owner) {
      leave();
      if (user) await new Promise<void>((go) => enter(whose, user, go));
      else alone();
    }
    return answer;
  };
  async function enter(whose: string, user: string, go: () => void): Promise<void> {
    const fail = () => {
      alone();
      go();
    };
    owner = whose;
    await storage.load(whose);
    if (owner !== whose) return;
    const lead = () => {
      follower.stop();
      mode = "lead";
      leader = `${tab}/${++terms}`;
      count = 0;
      pong();
      connect();
      makeAll();
      go();
    };
    const follow = () => {
      const former = direct;
      direct = null;
      former?.stop();
      // Its messages had no owner yet.
      if (mode === "undecided") for (const call of calls.values()) delete call.by;
      mode = "follow";
      deliver({ kind: "owner", owner: whose, user });
      follower.start();
    };
    if (!storage.shared()) return fail();
    try {
      group = joinGroup(`support-chat-client/1|${role}|${whose}`, { lead, follow, fail, receive: onPost });
    } catch {
      fail();
    }
  }
  function leave(done?: Promise<unknown>): void {
    follower.stop();
    mode = "undecided";
    owner = null;
    group?.leave(done);
    group = undefined;
  }
  function alone(): void {
    leave();
    mode = "alone";
    connect();
    makeAll();
  }
  function onPost(one: Post): void {
    if (one.kind === "answer") calls.get(one.id)?.settle(one.failure && new ChatError(...one.failure), one.value);
    else if (mode === "lead") {
      if (one.kind === "ask") answer(one.id, one.ask);
      else if (one.kind === "ping") pong();
      else if (one.kind === "join") post({ kind: "state", leader, count, tab: one.tab, state: parts.state() });
    } else if (mode === "follow" && "leader" in one) {
      follower.receive(one);
    }
  }

  /** Makes a call of another tab. */
  async function answer(id: string, ask: Ask): Promise<void> {
    const link = direct as Link;
    const input = inputOf(ask);
    if (input && !(input.kind === "entry" && open.has(input.entry.key))) {
      relay(input, id);
      apply(input);
    }
    const result = await performFor(link, ask);
    // Otherwise the next leader makes it.
    if (link === direct && ask[0] !== "send") post({ kind: "answer", id, ...result });
  }
  /** Makes a call of this tab, or posts it to the leader. */
  function make(id: string, call: Call): void {
    const { ask, signal, settle, by } = call;
    const link = direct;
    const isSend = ask[0] === "send";
    // A leader may have to get it.
    const isEarly = () => ask[0] === "share" && mode === "undecided";
    if (isSend && !by) open.add(ask[1].key);
    if (!link) {
      if (isSend && by === undefined) keep({ ...ask[1], owner: owner as string });
      if (!follower.hasLeader()) return;
      call.by = null;
      post({ kind: "ask", id, ask });
    } else if (by !== link) {
      call.by = link;
      const input = inputOf(ask);
      if (input) relay(input);
      perform(link, ask, signal).then(
        (value) => link === direct && !isSend && !isEarly() && settle(null, value),
        (error) => link === direct && settle(error),
      );
    } else if (ask[0] === "share" && !isEarly()) settle(null);
  }
  function keep(entry: OutboxEntry): void {
    kept = storage.put(entry).then(
      () => mode === "follow" && !storage.shared() && alone(),
      () => {},
    );
  }
  const giveAway = (ask: Ask) => void add(ask).catch(() => {});

  return {
    start() {
      if (direct) direct.start();
      else if (!group) connect();
    },
    async stop() {
      mode = "undecided";
      if (!direct) deliver({ kind: "connection", connection: { state: "ended", why: "closed" } });
      const done = Promise.all([direct?.stop(), kept]);
      direct = null;
      leave(done);
      for (const { settle } of calls.values()) settle(new ChatError("closed", "The client has ended"));
      await done;
    },
    call: (event, args) => add(["call", event, args]),
    request: (path, { signal, ...call } = {}) => add(["request", path, call], signal),
    send: (entry) => giveAway(["send", entry]),
    retry: (key) => giveAway(["retry", key]),
    discard: (key, ifUnsent) => add(["discard", key, ifUnsent]) as Promise<void>,
    share: (input) => giveAway(["share", input]),
  };
}

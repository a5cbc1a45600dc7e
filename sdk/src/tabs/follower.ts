import type { Input } from "../link.ts";
import type { Call } from "./calls.ts";
import type { OfLeader, Post } from "./posts.ts";

/** A follower without an answer of the leader looks this often. At the third look it takes the lead. */
const BEAT_MS = 700;

export const isVisible = () => document.visibilityState === "visible";

export interface FollowerParts {
  tab: number;
  calls: ReadonlyMap<string, Call>;
  /** Puts the calls' messages into the storage, and posts the calls to the leader. */
  makeAll(): void;
  /** The keys of the messages in the storage. */
  stored(): Promise<Set<string>>;
  apply(input: Input): void;
  post(one: Post): void;
  steal(): void;
}

/** Follows the leader's inputs. Asks for the whole state at first, and when an input is missing. */
export function createFollower({ tab, calls, makeAll, stored, apply, post, steal }: FollowerParts) {
  let timer: ReturnType<typeof setInterval> | undefined;
  /** The leader that has the calls of this tab. */
  let leader = "";
  let count = 0;
  let isSynced = false;
  let isJoining = false;
  let silentBeats = 0;
  let joins = 0;

  /** The leader gets the calls first, so that its state has their messages. */
  async function join(): Promise<void> {
    const mine = ++joins;
    isSynced = false;
    isJoining = true;
    const keys = await stored();
    if (mine !== joins) return;
    isJoining = false;
    // A leader has removed it: it has its end.
    for (const { ask, by, settle } of calls.values())
      if (ask[0] === "send" && by === null && !keys.has(ask[1].key)) settle(null);
    makeAll();
    post({ kind: "join", tab });
  }
  function beat(): void {
    if (isSynced && !calls.size && !isVisible()) silentBeats = 0;
    else if (silentBeats++ < 2) post(isSynced ? { kind: "ping" } : { kind: "join", tab });
    else {
      silentBeats = 0;
      steal();
    }
  }
  return {
    /** Whether a leader takes calls. While this tab joins, a new call waits for the former ones. */
    hasLeader: () => !!leader && !isJoining,
    start(): void {
      leader = "";
      silentBeats = 0;
      makeAll();
      join();
      clearInterval(timer);
      timer = setInterval(beat, BEAT_MS);
    },
    stop(): void {
      clearInterval(timer);
      joins++;
    },
    receive(one: OfLeader): void {
      if (one.kind !== "pong" || one.isWell || !isVisible()) silentBeats = 0;
      const next = count + (one.kind === "input" ? 1 : 0);
      if (one.leader !== leader) {
        ({ leader } = one);
        join();
      } else if (one.kind === "state") {
        if (isSynced || one.tab !== tab) return;
        ({ count } = one);
        isSynced = true;
        apply({ kind: "state", state: one.state });
      } else if (!isSynced) return;
      else if (one.count !== next) join();
      else if (one.kind === "input") {
        count = next;
        const own = calls.get(one.id ?? "");
        const isShare = own?.ask[0] === "share";
        if (isShare) own.settle(null);
        // This tab may show a newer one already.
        if (!isShare || ![...calls.values()].some(({ ask }) => ask[0] === "share")) apply(one.input);
      }
    },
  };
}

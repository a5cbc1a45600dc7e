import type { Post } from "./posts.ts";

export interface Group {
  /** Posts to all other tabs of the group. */
  post(one: Post): void;
  /** Takes the lead from a tab that doesn't answer. */
  steal(): void;
  /** Leaves at once; as the leader it keeps the lead until `done`. */
  leave(done?: Promise<unknown>): void;
}
export interface GroupEvents {
  lead(): void;
  /** Another tab leads. */
  follow(): void;
  /** The browser doesn't give locks to this page. */
  fail(): void;
  receive(one: Post): void;
}

/**
 * Joins the tabs with the same name: one of them leads. A tab that the browser freezes leaves until it runs again.
 * Throws in an environment without locks and channels.
 */
export function joinGroup(name: string, on: GroupEvents): Group {
  const life = new AbortController();
  const { signal } = life;
  let channel: BroadcastChannel | undefined;
  let waiting = new AbortController();
  /** Each round ends the former one. */
  let round = 0;
  let isFrozen = false;
  let release = () => {};

  const end = (done?: Promise<unknown>) => {
    round++;
    waiting.abort();
    if (done) done.finally(release);
    else release();
  };
  const pause = (done?: Promise<unknown>) => {
    end(done);
    // A page with an open channel isn't kept when a post comes.
    channel?.close();
    channel = undefined;
  };
  const contend = (options: LockOptions) => {
    end();
    waiting = new AbortController();
    channel ??= new BroadcastChannel(name);
    channel.onmessage = ({ data }) => on.receive(data);
    request(options);
  };
  const request = (options: LockOptions) => {
    const mine = round;
    let isHeld = false;
    navigator.locks
      .request(name, options, (lock): Promise<void> | undefined => {
        if (mine !== round) return;
        if (!lock) {
          request({ signal: waiting.signal });
          on.follow();
          return;
        }
        isHeld = true;
        const held = new Promise<void>((resolve) => {
          release = resolve;
        });
        on.lead();
        return held;
      })
      .catch(() => {
        if (mine !== round) return;
        // Another tab has stolen it.
        if (isHeld) contend({ ifAvailable: true });
        else on.fail();
      });
  };
  const freeze = ({ type, persisted }: Event & { persisted?: boolean }) => {
    if (type !== "freeze" && !persisted) return;
    isFrozen = true;
    pause();
  };
  const resume = () => {
    if (isFrozen) contend({ ifAvailable: true });
    isFrozen = false;
  };
  document.addEventListener("freeze", freeze, { signal });
  document.addEventListener("resume", resume, { signal });
  addEventListener("pagehide", freeze, { signal });
  addEventListener("pageshow", resume, { signal });
  contend({ ifAvailable: true });

  return {
    post: (one) => channel?.postMessage(one),
    steal: () => contend({ steal: true }),
    leave(done) {
      life.abort();
      pause(done);
    },
  };
}

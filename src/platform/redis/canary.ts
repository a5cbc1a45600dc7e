import { randomUUID } from "node:crypto";
import { type Cluster, Command, Redis } from "ioredis";
import { after, every } from "../time.ts";

const BEAT_MS = 1_000;
/** Nothing heard for so long: what other processes publish doesn't come in either. */
const SILENT_MS = 4_000;
/** After so many beats it is looked at whether a cluster has other masters now. One that takes over a place has its channel. */
const LOOK_AFTER_BEATS = 10;
/** So many names are tried to find one that each master is responsible for. */
const MAX_NAMES = 300;

type Options = {
  commands: Redis | Cluster;
  subscriber: Redis | Cluster;
  /** Called before each message. */
  onBeat: () => void;
  /** Called with how long a message took from this process through Redis to itself, in seconds. */
  onHeard: (lagSeconds: number) => void;
  /** Called when the subscriptions are made anew, because nothing came in. */
  onSilent: () => void;
  onFault: (error: unknown) => void;
};

/** `unheardSince`: when something was published on it that should have been heard, first after the last that was. */
type Canary = { channel: string; heardAt: number; lagMs: number; unheardSince: number | null };

const PREFIX = Buffer.from("canary:");

/**
 * Sends this process a message through the bus every second, in a cluster through each of its masters: a subscription can
 * be dead while its connection looks fine. When Redis takes what is published, and 4 s later nothing has come in, the
 * connection is made anew, with all its subscriptions.
 */
export function startCanary({ commands, subscriber, onBeat, onHeard, onSilent, onFault }: Options) {
  const name = `${PREFIX}${randomUUID()}`;
  let canaries: Canary[] = [];
  let repairedAt = performance.now();
  let beatAt = repairedAt;
  let beats = 0;
  keepOneForEachMaster();
  // As buffers: for a listener of texts ioredis would decode all that comes in.
  subscriber.on("smessageBuffer", (from: Buffer, sentAt: Buffer) => {
    // Most messages are others'.
    if (from.length < PREFIX.length || PREFIX.compare(from, 0, PREFIX.length) !== 0) return;
    const canary = canaries.find(({ channel }) => channel === from.toString());
    if (!canary) return;
    canary.heardAt = performance.now();
    canary.unheardSince = null;
    canary.lagMs = canary.heardAt - Number(sentAt);
    onHeard(canary.lagMs / 1_000);
  });

  function keepOneForEachMaster(): void {
    const wanted = channelsOf(commands, name);
    // A cluster that can't be reached has no masters.
    if (wanted.length === 0) return;
    for (const { channel } of canaries.filter(({ channel }) => !wanted.includes(channel)))
      subscriber.sunsubscribe(channel).catch(() => {});
    canaries = wanted.map((channel) => canaries.find((one) => one.channel === channel) ?? begin(channel));
  }

  function begin(channel: string): Canary {
    const canary: Canary = { channel, heardAt: performance.now(), lagMs: 0, unheardSince: null };
    // Of a cluster, the node may be away.
    const subscribe = (): Promise<void> =>
      subscriber.ssubscribe(channel).then(
        () => send(canary),
        () => void after(BEAT_MS, () => canaries.includes(canary) && subscribe(), onFault),
      );
    void subscribe();
    return canary;
  }

  function send(canary: Canary): void {
    const sentAt = performance.now();
    const isTaken = () => {
      if (canary.heardAt < sentAt) canary.unheardSince ??= sentAt;
    };
    commands.spublish(canary.channel, String(sentAt)).then(isTaken, () => {});
  }

  function beat(): void {
    const now = performance.now();
    // A process that stood still has itself to blame for hearing nothing.
    if (now - beatAt > 2 * BEAT_MS)
      for (const one of canaries) Object.assign(one, { heardAt: now, unheardSince: null });
    beatAt = now;
    if (canaries.length === 0 || ++beats % LOOK_AFTER_BEATS === 0) keepOneForEachMaster();
    const isDeaf = canaries.some(({ unheardSince }) => now - Math.max(unheardSince ?? now, repairedAt) > SILENT_MS);
    // A Redis that is frozen takes connections, and doesn't answer on them.
    if (isDeaf && (subscriber.status === "ready" || subscriber.status === "connect")) {
      repairedAt = now;
      onSilent();
      subscriber.disconnect(true);
    }
    onBeat();
    for (const canary of canaries) send(canary);
  }
  const stop = every(BEAT_MS, beat, onFault);
  const isHeard = () =>
    canaries.length > 0 && canaries.every(({ heardAt }) => performance.now() - heardAt <= SILENT_MS);
  return {
    stop,
    isHeard,
    lagMs: () => (isHeard() ? Math.max(...canaries.map(({ lagMs }) => lagMs)) : 0),
  };
}

/** One channel for each master of a cluster that has slots; one for a single Redis. */
function channelsOf(redis: Redis | Cluster, name: string): string[] {
  if (redis instanceof Redis) return [name];
  const masters = new Set(redis.slots.map(([master]) => master));
  const channels = new Map<string, string>();
  for (let n = 0; n < MAX_NAMES && channels.size < masters.size; n++) {
    const channel = `${name}:${n}`;
    const [master] = redis.slots[new Command("spublish", [channel]).getSlot()] ?? [];
    if (master !== undefined && !channels.has(master)) channels.set(master, channel);
  }
  return [...channels.values()];
}

import { randomUUID } from "node:crypto";
import { type Cluster, Command, Redis } from "ioredis";
import { after, every } from "../time.ts";

const BEAT_MS = 1_000;
/** After this time without a message, other processes' messages don't arrive either. */
const SILENT_MS = 4_000;
/** The number of beats between two checks for new masters of a cluster. A replica that took over keeps the channel. */
const CHECK_AFTER_BEATS = 10;
/** The most channel names that are tried to find one for each master's slots. */
const MAX_NAMES = 300;

type Options = {
  commands: Redis | Cluster;
  subscriber: Redis | Cluster;
  /** Called before each beat. */
  onBeat: () => void;
  /** Called with the seconds that a message took from this process through Redis back to it. */
  onReceived: (lagSeconds: number) => void;
  /** Called before the subscriber connects again because of silence. */
  onSilent: () => void;
  onFault: (error: unknown) => void;
};

/** `silentSince`: when the first message was published that hasn't arrived; null if all have. */
type Canary = { channel: string; receivedAt: number; lagMs: number; silentSince: number | null };

const PREFIX = Buffer.from("canary:");

/**
 * Sends this process a message through the bus every second, in a cluster through each master. Reason: a subscription can
 * be dead while its connection looks fine. When Redis accepts a message and nothing arrives for 4 s, the subscriber
 * connects and subscribes again.
 */
export function startCanary({ commands, subscriber, onBeat, onReceived, onSilent, onFault }: Options) {
  const name = `${PREFIX}${randomUUID()}`;
  let canaries: Canary[] = [];
  let repairedAt = performance.now();
  let beatAt = repairedAt;
  let beats = 0;
  keepOneForEachMaster();
  // As buffers, because for a listener of strings ioredis would decode every message.
  subscriber.on("smessageBuffer", (from: Buffer, sentAt: Buffer) => {
    // Most messages are on other channels.
    if (from.length < PREFIX.length || PREFIX.compare(from, 0, PREFIX.length) !== 0) return;
    const canary = canaries.find(({ channel }) => channel === from.toString());
    if (!canary) return;
    canary.receivedAt = performance.now();
    canary.silentSince = null;
    canary.lagMs = canary.receivedAt - Number(sentAt);
    onReceived(canary.lagMs / 1_000);
  });

  function keepOneForEachMaster(): void {
    const wanted = channelsOf(commands, name);
    // No masters are known while the cluster can't be reached.
    if (wanted.length === 0) return;
    for (const { channel } of canaries.filter(({ channel }) => !wanted.includes(channel)))
      subscriber.sunsubscribe(channel).catch(() => {});
    canaries = wanted.map((channel) => canaries.find((one) => one.channel === channel) ?? begin(channel));
  }

  function begin(channel: string): Canary {
    const canary: Canary = { channel, receivedAt: performance.now(), lagMs: 0, silentSince: null };
    // Fails while a cluster's node is away.
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
    const onAccepted = () => {
      if (canary.receivedAt < sentAt) canary.silentSince ??= sentAt;
    };
    commands.spublish(canary.channel, String(sentAt)).then(onAccepted, () => {});
  }

  function beat(): void {
    const now = performance.now();
    // After a pause of this process itself, silence doesn't mean that Redis is at fault.
    if (now - beatAt > 2 * BEAT_MS)
      for (const one of canaries) Object.assign(one, { receivedAt: now, silentSince: null });
    beatAt = now;
    if (canaries.length === 0 || ++beats % CHECK_AFTER_BEATS === 0) keepOneForEachMaster();
    const isSilent = canaries.some(({ silentSince }) => now - Math.max(silentSince ?? now, repairedAt) > SILENT_MS);
    // "connect": a frozen Redis accepts connections and doesn't answer on them.
    if (isSilent && (subscriber.status === "ready" || subscriber.status === "connect")) {
      repairedAt = now;
      onSilent();
      subscriber.disconnect(true);
    }
    onBeat();
    for (const canary of canaries) send(canary);
  }
  const stop = every(BEAT_MS, beat, onFault);
  const isReceiving = () =>
    canaries.length > 0 && canaries.every(({ receivedAt }) => performance.now() - receivedAt <= SILENT_MS);
  return {
    stop,
    isReceiving,
    lagMs: () => (isReceiving() ? Math.max(...canaries.map(({ lagMs }) => lagMs)) : 0),
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

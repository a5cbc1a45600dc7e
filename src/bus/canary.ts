import { randomUUID } from "node:crypto";
import { type Cluster, Redis } from "ioredis";

const BEAT_MS = 1_000;
/** Nothing heard for so long: what other processes publish doesn't come in either. */
const SILENT_MS = 4_000;

type Options = {
  commands: Redis | Cluster;
  subscriber: Redis | Cluster;
  /** Called before each message. */
  onBeat: () => void;
  /** Called with how long a message took from this process through Redis to itself, in seconds. */
  onHeard: (lagSeconds: number) => void;
  /** Called when the subscriptions are made anew, because nothing came in. */
  onSilent: () => void;
};

/**
 * Sends this process a message through the bus every second: a subscription can be dead while its connection looks fine.
 * After 4 s of silence the connection is made anew, with all its subscriptions. In a cluster the message tells of one node
 * only, and nothing is made anew because of it.
 */
export function startCanary({ commands, subscriber, onBeat, onHeard, onSilent }: Options) {
  const channel = Buffer.from(`canary:${randomUUID()}`);
  let heardAt = performance.now();
  let repairedAt = heardAt;
  let beatAt = heardAt;
  let lagMs = 0;
  subscribe();
  // As buffers: for a listener of texts ioredis would decode all that comes in.
  subscriber.on("smessageBuffer", (from: Buffer, sentAt: Buffer) => {
    if (!from.equals(channel)) return;
    heardAt = performance.now();
    lagMs = heardAt - Number(sentAt);
    onHeard(lagMs / 1_000);
  });

  function subscribe(): void {
    // Of a cluster, the node may be away.
    subscriber.ssubscribe(channel).then(beat, () => setTimeout(subscribe, BEAT_MS).unref());
  }

  function beat(): void {
    const now = performance.now();
    // A process that stood still has itself to blame for hearing nothing.
    if (now - beatAt > 2 * BEAT_MS) heardAt = now;
    beatAt = now;
    const isSilent = now - Math.max(heardAt, repairedAt) > SILENT_MS;
    // A Redis that is frozen takes connections, and doesn't answer on them.
    const isOpen = subscriber.status === "ready" || subscriber.status === "connect";
    if (isSilent && subscriber instanceof Redis && isOpen) {
      repairedAt = now;
      onSilent();
      subscriber.disconnect(true);
    }
    onBeat();
    commands.spublish(channel, String(now)).catch(() => {});
  }
  const timer = setInterval(beat, BEAT_MS);
  const isHeard = () => performance.now() - heardAt <= SILENT_MS;
  return {
    stop: () => clearInterval(timer),
    isHeard,
    lagMs: () => (isHeard() ? lagMs : 0),
  };
}

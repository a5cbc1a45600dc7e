import { doEach } from "../platform/do-each.ts";
import { createRateLimit } from "../platform/rate-limit.ts";
import { toLastLine } from "../platform/time.ts";

type Parts = {
  /** Resolves when Redis has answered, or can't be reached any more. Never rejects. */
  publish: (channel: string, message: string) => Promise<void>;
  /** The first line of each message. */
  head: string;
  /** Called for each text that isn't published. */
  onDropped: () => void;
  limits?: typeof OUTBOX;
};

/**
 * Redis disconnects a subscriber when 32 MB wait for it, or 8 MB for a minute. So a process publishes at most 8 MB at once
 * and per second. At most 8 MB may wait for Redis's answer. A small text is always sent: it adds little, and only small
 * events can't be read again from the database.
 */
export const OUTBOX = { bundle: 256_000, burst: 8_000_000, perSecond: 8_000_000, unanswered: 8_000_000, small: 4_000 };

/**
 * Publishes the texts of one turn of the event loop together, as few messages for each channel, in order. A text beyond
 * the limits is dropped: the other processes read its events from the database.
 */
export function createOutbox({ publish, head, onDropped, limits = OUTBOX }: Parts) {
  const bundles = new Map<string, { texts: string[]; bytes: number }>();
  const mayPublish = createRateLimit(limits);
  /** In bytes, including bundles. */
  let unanswered = 0;

  function send(channel: string): void {
    const { texts, bytes } = bundles.get(channel) ?? { texts: [], bytes: 0 };
    bundles.delete(channel);
    void publish(channel, `${head}\n${texts.join("\n")}`).then(() => {
      unanswered -= bytes;
    });
  }

  const flush = () => doEach([...bundles.keys()], send, toLastLine);

  return {
    /** @param bytes the size of `text`, which the caller knows */
    add(channel: string, text: string, bytes: number): void {
      const hasRoom = unanswered === 0 || unanswered + bytes <= limits.unanswered;
      if (bytes > limits.small && !(hasRoom && mayPublish(bytes))) {
        onDropped();
        return;
      }
      unanswered += bytes;
      const open = bundles.get(channel);
      if (open && open.bytes + bytes > limits.bundle) send(channel);
      if (bundles.size === 0) setImmediate(flush);
      const bundle = bundles.get(channel) ?? { texts: [], bytes: 0 };
      bundle.texts.push(text);
      bundle.bytes += bytes;
      bundles.set(channel, bundle);
    },
    unanswered: () => unanswered,
  };
}

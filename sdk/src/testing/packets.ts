import type { Effect, Occasion } from "./faults.ts";
import type { Line } from "./line.ts";
import type { Timers } from "./time.ts";

/** Something on its way to a client. `deliver` may run twice, and with another value than its own. */
export interface Packet {
  readonly occasion: Occasion;
  readonly value: unknown;
  deliver(value: unknown): void;
  /** Called when the packet is lost. */
  lost?(): void;
}

export interface Packets {
  send(packet: Packet): void;
  /** Puts all delayed and held packets on the line now, in their order. */
  release(): void;
}

/** The longest that packets are held while there are too few of them. */
const HELD_MS = 1_000;

/** Sends packets over a line, with the faults that meet them. Acks keep their order: a late one delays the acks behind it. */
export function createPackets(line: Line, timers: Timers, meet: (occasion: Occasion) => Effect | undefined): Packets {
  /** The delayed and held packets, with the function that stops the timer. Null: due, and behind another ack. */
  const late = new Map<Packet, (() => void) | null>();
  let held: Packet[] = [];

  const put = (packet: Packet, value = packet.value) => line.put(() => packet.deliver(value));
  const isAck = ({ occasion }: Packet) => occasion.subject === "ack";
  const lateAcks = () => [...late.keys()].filter(isAck);
  const putLate = (packet: Packet) => {
    late.get(packet)?.();
    if (isAck(packet) && lateAcks()[0] !== packet) {
      late.set(packet, null);
      return;
    }
    if (late.delete(packet)) put(packet);
    const [next] = lateAcks();
    if (isAck(packet) && next && late.get(next) === null) putLate(next);
  };
  const later = (packet: Packet, ms: number) =>
    late.set(
      packet,
      timers.after(ms, () => putLate(packet)),
    );

  return {
    send(packet) {
      const effect = meet(packet.occasion);
      switch (effect?.do) {
        case "lose":
          packet.lost?.();
          break;
        case "delay":
          later(packet, effect.ms);
          break;
        case "repeat":
          put(packet);
          later({ ...packet }, effect.afterMs);
          break;
        case "hold":
          later(packet, HELD_MS);
          held.push(packet);
          if (held.length < effect.count) break;
          for (const one of held.reverse()) putLate(one);
          held = [];
          break;
        default: {
          const isBehind = isAck(packet) && lateAcks().length > 0;
          if (isBehind) late.set(packet, null);
          else put(packet, effect?.do === "garble" ? effect.value : packet.value);
        }
      }
    },
    release() {
      held = [];
      for (const packet of [...late.keys()]) if (late.has(packet)) putLate(packet);
    },
  };
}

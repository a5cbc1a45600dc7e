import { mayDiffer, type Reader, toSecondForm } from "../contract/second-form.ts";
import { type Packet, packetOf } from "../platform/engine/packet.ts";

/**
 * The first form of an event's payload: as JSON, and where this process has made it, as an object with the function that
 * encodes its parts. The bus carries JSON alone.
 */
export type Payload =
  | { json: string; value: object; encode: (payload: object) => string }
  | { json: Buffer; value?: undefined };

/**
 * Makes the function that answers an event's packet for a connection: null gets the first form, all others the second
 * one. Each packet is made once, when the first connection needs it. Where two forms are equal, it is the same packet.
 */
export function packetsOf(event: string, payload: Payload): (reader: Reader | null) => Packet {
  let first: Packet | undefined;
  const seconds: Partial<Record<Reader, Packet>> = {};
  const makeFirst = () => (first ??= packetOf(event, payload.json));

  function makeSecond(reader: Reader): Packet {
    // Most events to staff are the same in both forms: nothing is parsed for them.
    if (!mayDiffer(event, reader)) return makeFirst();
    const value = payload.value ?? (JSON.parse(payload.json.toString()) as object);
    const second = toSecondForm(value, reader);
    if (second === value) return makeFirst();
    return packetOf(event, payload.value ? payload.encode(second) : JSON.stringify(second));
  }
  return (reader) => {
    if (reader === null) return makeFirst();
    const packet = seconds[reader] ?? makeSecond(reader);
    seconds[reader] = packet;
    return packet;
  };
}

import { Decoder, Encoder, type Packet } from "socket.io-parser";

/** Socket.IO's type of an event packet (https://socket.io/docs/v4/socket-io-protocol/). */
const EVENT_PACKET = 2;

/** An event packet whose text is known: made once, for however many connections and processes. */
export type EncodedPacket = { type: typeof EVENT_PACKET; encoded: string };

export const encodedPacket = (encoded: string): EncodedPacket => ({ type: EVENT_PACKET, encoded });

/** The text of an event for the main namespace. */
export const packetText = (event: string, payload: string): string => `${EVENT_PACKET}["${event}",${payload}]`;

class EncoderOnce extends Encoder {
  override encode(packet: Packet | EncodedPacket) {
    return "encoded" in packet ? [packet.encoded] : super.encode(packet);
  }
}

/** Socket.IO's own parser, but for packets that are encoded already. */
export const parser = { Encoder: EncoderOnce, Decoder };

import type { Transport, TransportCall, TransportEvents } from "../../sdk/src/transport.ts";

type Emitted = { event: string; args: readonly unknown[]; ack: (...values: unknown[]) => void };
/** One connection, seen from the server. */
export type Wire = TransportEvents & { token: string; emitted: Emitted[]; closed: string | null };

/** A transport in the test's own hands: the test answers as the server. */
export function createLine() {
  const wires: Wire[] = [];
  const calls: (TransportCall & { path: string })[] = [];
  let answer = async (_path: string, _call: TransportCall): Promise<{ status: number; body: unknown }> => ({
    status: 404,
    body: undefined,
  });
  const transport: Transport = {
    connect(token, on) {
      const wire: Wire = {
        ...on,
        token,
        emitted: [],
        closed: null,
      };
      wires.push(wire);
      return {
        emit: (event, args, ack) => void wire.emitted.push({ event, args, ack }),
        close(how) {
          wire.closed = how;
        },
      };
    },
    request(path, call) {
      calls.push({ path, ...call });
      return answer(path, call);
    },
  };
  return {
    wires,
    calls,
    transport: () => transport,
    /** The newest connection. */
    wire(): Wire {
      const wire = wires.at(-1);
      if (!wire) throw new Error("There is no connection");
      return wire;
    },
    answers(how: typeof answer) {
      answer = how;
    },
  };
}

const base64 = (claims: object) => Buffer.from(JSON.stringify(claims)).toString("base64url");
/** A token of the form that the server issues. It is valid for `life` seconds. */
export const tokenFor = (sub: string, { life = 3600, iat = 1_700_000_000, n = 0 } = {}): string =>
  `head.${base64({ sub, type: "visitor", iat, exp: iat + life, n })}.signature`;

export const visitor = (id = "v1") => ({
  ...{ id, name: "Vera", email: null, is_anonymous: true, disabled: false, created_at: 1, updated_at: null },
});
export const alex = { id: "s1", display_name: "Alex", role_id: 3 as const };
export const roomOf = (id: string, updated_at: number | null = null) => ({
  ...{ id, visitor_id: "v1", created_at: 1000, updated_at },
});
export const row = (
  chat: string,
  n: number,
  { id = `${chat}-${n}`, sender = null as string | null, type = 1 } = {},
) => ({
  ...{ id, chat_id: chat, sequence_num: n, type_id: type, sender, content: { content: `text ${n}` } },
  ...{ created_at: 1000 + n, updated_at: null },
});
/** The snapshot of a visitor, who has no chat unless `more` has one. */
export const visitorInit = (more: object = {}) => ({
  ...{ protocol: 2, server_time: 5000, user: visitor(), room: null, staff: null, messages: [], messages_total: 0 },
  ...more,
});

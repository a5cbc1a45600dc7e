import { afterEach, describe, expect, onTestFinished, test, vi } from "vitest";
import type { ClientOptions } from "../../sdk/src/types.ts";
import { createCast, settle, text } from "./cast.ts";
import { createDisk } from "./one-visitor.ts";

const nonsense = [null, 42, "text", [], {}, [null, { content: 7 }], { message: null }, { message: { id: 1 } }];
type Texts = readonly { type: string; content: { content: string } }[];
const shown = (messages: Texts = []) =>
  messages.flatMap(({ type, content }) => (type === "text" ? [content.content] : []));
const stored = (cast: ReturnType<typeof createCast>, name = "Vera") =>
  (cast.server.chatOf(name)?.messages ?? []).flatMap(({ type_id, content }) =>
    type_id === 1 ? [content.content] : [],
  );

describe("a server that answers nonsense", () => {
  test.each([["nonsense"], [42], [null], [{}], [true], [true, null, {}], [true, null, [7]]])(
    "in place of an ack (%j): the message is stored and shown once, and isn't sent without a pause",
    async (...value) => {
      const cast = createCast();
      const vera = cast.visitor();
      await settle();
      const acks = cast.server.garble("ack", value, { name: "visitor_first_msg", times: 8 });
      vera.send(text("a"));
      vera.send(text("b"));
      await settle(500);
      expect(acks.met).toBeLessThan(6);
      await settle(300_000);
      expect(acks.met).toBe(8);
      expect(stored(cast)).toEqual(["a", "b"]);
      expect(shown(vera.getSnapshot().chat?.messages)).toEqual(["a", "b"]);
      expect(vera.getSnapshot().outbox).toBe(0);
    },
  );

  test.each([["nonsense"], [42], [null], [{}], [true], [true, null, {}], [true, null, [7]]])(
    "in place of a claim's ack (%j): the agent's screen shows the chat as theirs in the end",
    async (...value) => {
      const cast = createCast();
      const [vera, alex] = [cast.visitor(), cast.agent()];
      await settle();
      await vera.send(text("a"));
      const { id } = cast.server.chats()[0] as { id: string };
      const ack = cast.server.garble("ack", value, { user: "Alex" });
      alex.claim(id).catch(() => {});
      await settle(30_000);
      expect(ack.met).toBe(1);
      expect(cast.server.chat(id).status).toBe("claimed");
      expect(alex.getSnapshot()).toMatchObject({ mine: [{ id, status: "claimed" }], queue: [], queueTotal: 0 });
      expect(alex.getSnapshot().claiming.size).toBe(0);
      expect(shown(alex.getSnapshot().mine[0]?.messages)).toEqual(["a"]);
    },
  );

  test.each(nonsense)("in place of an event (%j): the next snapshot makes the screens right", async (value) => {
    const cast = createCast();
    const [vera, alex] = [cast.visitor(), cast.agent()];
    await settle();
    const events = cast.server.garble("event", value, { times: 20 });
    vera.send(text("a"));
    await settle();
    const { id } = cast.server.chats()[0] as { id: string };
    await alex.claim(id);
    alex.send(id, text("b"));
    vera.send(text("c"));
    await settle(1000);
    expect(events.met).toBeGreaterThan(2);
    events.stop();
    cast.server.snapshot();
    await settle(1000);
    for (const messages of [vera.getSnapshot().chat?.messages, alex.getSnapshot().mine[0]?.messages])
      expect(shown(messages)).toEqual(["a", "b", "c"]);
    expect(stored(cast)).toEqual(["a", "b", "c"]);
  });

  test.each(nonsense)("in place of a snapshot (%j): the client ends, and loses nothing", async (value) => {
    const cast = createCast();
    const { storage, entries } = createDisk();
    const snapshot = cast.server.garble("snapshot", value);
    const vera = cast.visitor("Vera", { storage });
    vera.send(text("a"));
    await settle(1000);
    expect(snapshot.met).toBe(1);
    expect(vera.getSnapshot().connection).toEqual({ state: "ended", why: "unsupported" });
    expect(entries.size).toBe(1);
    vera.start();
    await settle(1000);
    expect(stored(cast)).toEqual(["a"]);
    expect(entries.size).toBe(0);
  });

  test("in place of a snapshot on a page: the client ends there as well", async () => {
    vi.stubGlobal("document", Object.assign(new EventTarget(), { visibilityState: "visible" }));
    vi.stubGlobal("addEventListener", () => {});
    onTestFinished(() => void vi.unstubAllGlobals());
    const cast = createCast();
    cast.server.garble("snapshot", { user: {}, room: {}, messages: [null] });
    const vera = cast.visitor();
    await settle(1000);
    expect(vera.getSnapshot().connection).toEqual({ state: "ended", why: "unsupported" });
  });

  test.each(nonsense)(
    "in place of an HTTP answer (%j): the call fails or ends, and the next one works",
    async (value) => {
      const cast = createCast();
      const vera = cast.visitor();
      await settle();
      await vera.send(text("a"));
      const { id } = cast.server.chats()[0] as { id: string };
      const answer = cast.server.garble("answer", value);
      const read = async () => {
        const all = [];
        for await (const { content } of vera.history(id)) all.push(content.content);
        return all;
      };
      const first = await read().catch((error: Error) => error);
      expect(answer.met).toBe(1);
      if (!(first instanceof Error)) expect(first).toEqual([]);
      expect(await read()).toEqual(["a"]);
      expect(vera.getSnapshot().connection.state).toBe("online");
    },
  );
});

describe("a token() in trouble", () => {
  const troubles: Record<string, (expired: string) => Promise<string | null>> = {
    throws: () => Promise.reject(new Error("no network")),
    hangs: () => new Promise(() => {}),
    "returns an expired token": async (expired) => expired,
    "returns nonsense": async () => "nonsense",
  };
  test.each(Object.entries(troubles))("that %s loses no message, and sends none twice", async (_name, trouble) => {
    const cast = createCast({ graceMs: 3_600_000 });
    const good = cast.server.tokens.visitor("Vera");
    let isBad = true;
    const token: ClientOptions["token"] = (cause, signal) =>
      isBad ? trouble(cast.server.tokens.issue("Vera", { lifeMs: -1000 })) : good(cause, signal);
    const vera = cast.visitor("Vera", { token });
    for (const one of ["a", "b"]) vera.send(text(one));
    await settle(120_000);
    expect(vera.getSnapshot()).toMatchObject({
      connection: { state: expect.stringMatching(/offline|connecting/) },
      outbox: 2,
    });
    isBad = false;
    await settle(120_000);
    expect(stored(cast)).toEqual(["a", "b"]);
    expect(shown(vera.getSnapshot().chat?.messages)).toEqual(["a", "b"]);
    // The same once more, for a client that is online.
    isBad = true;
    cast.server.tokens.expire();
    vera.send(text("c"));
    await settle(120_000);
    isBad = false;
    await settle(120_000);
    expect(stored(cast)).toEqual(["a", "b", "c"]);
  });
});

test.each([3, -3])(
  "a clock that is %i h wrong: all is stored once, and the token is renewed in time",
  async (hours) => {
    const cast = createCast({ clockSkewMs: hours * 3_600_000, tokenLifeMs: 60_000 });
    const source = cast.server.tokens.visitor("Vera");
    const causes: string[] = [];
    const token: ClientOptions["token"] = (cause, signal) => {
      causes.push(cause);
      return source(cause, signal);
    };
    const vera = cast.visitor("Vera", { token });
    const wanted = Array.from({ length: 15 }, (_, n) => `${n}`);
    for (const one of wanted) {
      vera.send(text(one));
      await settle(20_000);
    }
    expect(stored(cast)).toEqual(wanted);
    expect(shown(vera.getSnapshot().chat?.messages)).toEqual(wanted);
    expect(causes.slice(0, 2)).toEqual(["start", "expiring"]);
    expect(causes).not.toContain("refused");
    expect(causes.length).toBeLessThan(9);
  },
);

describe("a connection that was away", () => {
  afterEach(() => {
    vi.unstubAllGlobals();
    vi.restoreAllMocks();
  });
  const cases = [1, 10, 60, 600].flatMap((seconds) => [0, 1].map((lost) => [seconds, lost] as const));
  test.each(cases)(
    "for %i s: the screens are right 2 s after the network is back, also when %i attempt fails first",
    async (seconds, lost) => {
      const page = new EventTarget();
      vi.stubGlobal("addEventListener", page.addEventListener.bind(page));
      vi.stubGlobal("document", Object.assign(new EventTarget(), { visibilityState: "visible" }));
      const cast = createCast({ graceMs: 3_600_000, latencyMs: 50 });
      const [vera, alex] = [cast.visitor(), cast.agent()];
      await settle(10_000);
      vera.send(text("a"));
      await settle(1000);
      const { id } = cast.server.chats()[0] as { id: string };
      alex.claim(id);
      await settle(10_000);
      cast.server.away();
      await settle(seconds * 500);
      vera.send(text("b"));
      await settle(seconds * 500);
      cast.server.back();
      cast.server.as("Alex").write(id, text("c"));
      if (lost > 0) cast.server.lose("connect", { times: 2 * lost });
      vi.spyOn(Math, "random").mockReturnValue(0.99);
      page.dispatchEvent(new Event("online"));
      await settle(2000);
      for (const messages of [vera.getSnapshot().chat?.messages, alex.getSnapshot().mine[0]?.messages])
        expect(shown(messages)).toEqual(stored(cast));
      expect(stored(cast).sort()).toEqual(["a", "b", "c"]);
      expect(vera.getSnapshot().outbox).toBe(0);
    },
  );
});

import { afterEach, describe, expect, test, vi } from "vitest";
import type { ClientOptions } from "../../sdk/src/types.ts";
import { settle } from "./cast.ts";
import { tokenFor, visitorInit } from "./line.ts";
import { start } from "./one-visitor.ts";

afterEach(() => void vi.restoreAllMocks());

/** Answers calls of `token()`, and counts the calls that are in flight. */
function tokenDesk(answer: (cause: string, signal: AbortSignal) => Promise<string | null>) {
  const desk = { causes: [] as string[], inFlight: 0, most: 0 };
  const token: ClientOptions["token"] = async (cause, signal) => {
    desk.causes.push(cause);
    desk.most = Math.max(desk.most, ++desk.inFlight);
    try {
      return await answer(cause, signal);
    } finally {
      desk.inFlight--;
    }
  };
  return { desk, token };
}
/** Ends some time after it was aborted. */
const hangUntilAborted = (signal: AbortSignal) =>
  new Promise<never>((_, reject) => signal.addEventListener("abort", () => setTimeout(reject, 30, signal.reason)));

describe("tokens", () => {
  test.each([0, 3 * 3_600_000, -3 * 3_600_000])(
    "a token is renewed at 80 % of its life, with a clock that is %i ms wrong",
    async (wrong) => {
      let n = 0;
      const issue = async () => tokenFor("v1", { life: 1000, iat: Math.floor((Date.now() - wrong) / 1000), n: n++ });
      const { desk, token } = tokenDesk(issue);
      const { line, accept, connection } = start({ token });
      await accept();
      await settle(790_000);
      expect(desk.causes).toEqual(["start"]);
      await settle(20_000);
      expect(desk.causes).toEqual(["start", "expiring"]);
      expect(connection().state).toBe("online");
      // The server cuts the connection when the first token ends. The next one uses the renewed token at once.
      line.wire().lost();
      await accept();
      await settle(2000);
      expect(line.wire().token).toBe(
        tokenFor("v1", { life: 1000, iat: JSON.parse(atob(line.wire().token.split(".")[1] as string)).iat, n: 1 }),
      );
    },
  );

  test("one call of token() is in flight, whatever happens", async () => {
    const { desk, token } = tokenDesk((_, signal) =>
      Math.random() < 0.5
        ? hangUntilAborted(signal)
        : new Promise((resolve) => setTimeout(resolve, 300, tokenFor("v1", { life: 2, n: Math.random() }))),
    );
    const { line, client } = start({ token });
    for (let step = 0; step < 300; step++) {
      await settle([0, 50, 400, 2000, 31_000][step % 5]);
      const wire = line.wires.at(-1);
      const dice = Math.random();
      if (dice < 0.2) client.stop();
      else if (dice < 0.4) client.start();
      else if (dice < 0.6) wire?.refused({ status: 401 });
      else if (dice < 0.7) wire?.lost();
      else if (dice < 0.8)
        client
          .history("c1")
          .next()
          .catch(() => {});
      else if (wire) {
        wire.open();
        wire.event("visitor_init", visitorInit());
      }
    }
    expect(desk.causes.length).toBeGreaterThan(20);
    expect(desk.most).toBe(1);
  });

  test("the next call of token() waits for the end of the one that stop() has cancelled", async () => {
    const { desk, token } = tokenDesk((_, signal) => hangUntilAborted(signal));
    const { client } = start({ token });
    await settle();
    await client.stop();
    client.start();
    await settle(10);
    expect(desk.causes).toEqual(["start"]);
    await settle(50);
    expect(desk).toMatchObject({ causes: ["start", "start"], most: 1 });
  });

  test("a token() that hangs doesn't hold up stop(), and is asked again after its time limit", async () => {
    // The next call begins 2 s after the end of the first one.
    vi.spyOn(Math, "random").mockReturnValue(0.99);
    const { desk, token } = tokenDesk((_, signal) => hangUntilAborted(signal));
    const { client, connection } = start({ token });
    await settle(30_000);
    expect(connection()).toMatchObject({ state: "offline", why: "expired" });
    await settle(31_000);
    expect(desk.causes.length).toBeGreaterThan(1);
    await client.stop();
    expect(connection()).toEqual({ state: "ended", why: "closed" });
  });

  test("a token() that ignores its signal is asked again in the end", async () => {
    let calls = 0;
    const token = () => (++calls === 1 ? new Promise<never>(() => {}) : Promise.resolve(tokenFor("v1")));
    const { line } = start({ token });
    await settle(200_000);
    expect(calls).toBe(2);
    expect(line.wires.length).toBeGreaterThan(0);
  });

  test("a token() that throws is asked again; nothing is lost meanwhile", async () => {
    let works = false;
    const token = async () => {
      if (!works) throw new Error("no network");
      return tokenFor("v1");
    };
    const { line, client, accept, connection } = start({ token });
    const sending = client.send({ content: "hello" });
    await settle();
    expect(connection()).toMatchObject({ state: "offline", why: "expired" });
    works = true;
    await settle(3000);
    await accept();
    expect(line.wire().emitted).toMatchObject([{ args: [{ content: "hello" }, { id: sending.key }] }]);
  });

  test("a token() that answers the refused token again leaves the client offline, with pauses that grow", async () => {
    const { desk, token } = tokenDesk(async () => tokenFor("v1"));
    const { line, connection } = start({ token });
    for (let n = 0; n < 200; n++) {
      await settle(500);
      if (line.wire() && connection().state === "connecting")
        line.wire().refused({ status: 401, code: "invalidToken" });
    }
    expect(connection()).toMatchObject({ state: "offline", why: "expired" });
    expect(desk.causes.slice(0, 2)).toEqual(["start", "refused"]);
    expect(desk.causes.length).toBeLessThan(25);
  });

  test("null ends the client, and start() asks again", async () => {
    let answer: string | null = null;
    const { line, client, connection } = start({ token: async () => answer });
    await settle();
    expect(connection()).toEqual({ state: "ended", why: "unauthorized" });
    await expect(client.ready()).rejects.toMatchObject({ code: "unauthorized" });
    answer = tokenFor("v1");
    client.start();
    await settle();
    expect(line.wires).toHaveLength(1);
  });
});

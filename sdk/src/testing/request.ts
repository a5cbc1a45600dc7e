import type { Transport, TransportAnswer } from "../transport.ts";
import type { Faults, Occasion } from "./faults.ts";
import { type createHttp, toAnswer } from "./http.ts";
import { FakeRefusal } from "./refusals.ts";
import type { FakeService } from "./service.ts";
import type { Timers } from "./time.ts";
import type { Tokens } from "./tokens.ts";
import { overTheWire } from "./wire-form.ts";

type Parts = {
  http: ReturnType<typeof createHttp>;
  faults: Faults;
  service: FakeService;
  tokens: Tokens;
  timers: Timers;
  latencyMs: () => number;
};

const LOST: TransportAnswer = { status: 0, body: undefined };

/** Carries HTTP calls, with the faults that meet them. */
export function createRequest({ http, faults, service, tokens, timers, latencyMs }: Parts): Transport["request"] {
  const pause = (ms: number) =>
    ms === 0 ? Promise.resolve() : new Promise<void>((resolve) => void timers.after(ms, resolve));

  function occasion(subject: "request" | "answer", name: string, token: string): Occasion {
    let userId: string | null = null;
    try {
      ({ userId } = tokens.check(token));
    } catch {
      // A fault may also meet a call with a bad token.
    }
    return { subject, name, userId, userName: userId === null ? null : service.nameOf(userId) };
  }
  async function answer(path: string, call: Parameters<Transport["request"]>[1]): Promise<TransportAnswer> {
    const met = faults.meet(occasion("request", path, call.token));
    await pause(latencyMs() + (met?.do === "delay" ? met.ms : 0));
    if (service.isAway() || met?.do === "lose") return LOST;
    let answered: TransportAnswer;
    try {
      if (met?.do === "refuse") throw met.refusal;
      answered = overTheWire(http(path, call));
    } catch (error) {
      if (!(error instanceof FakeRefusal)) throw error;
      answered = toAnswer(error);
    }
    const back = faults.meet(occasion("answer", path, call.token));
    await pause(latencyMs() + (back?.do === "delay" ? back.ms : 0));
    if (back?.do === "lose") return LOST;
    return back?.do === "garble" ? { status: 200, body: back.value } : answered;
  }

  return (path, call) => {
    const { signal } = call;
    if (signal?.aborted) return Promise.reject(signal.reason);
    return new Promise((resolve, reject) => {
      const stop = () => reject(signal?.reason);
      signal?.addEventListener("abort", stop, { once: true });
      answer(path, call)
        .then(resolve, reject)
        .finally(() => signal?.removeEventListener("abort", stop));
    });
  };
}

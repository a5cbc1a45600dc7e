import type { Cluster, Redis } from "ioredis";

/** The most failures within `windowMs`, and the most attempts at once. */
export type Limit = { maxFailed: number; maxAtOnce: number; windowMs: number };
export type Outcome = "failed" | "forgiven" | "uncounted";
export type Entry = "entered" | "full" | { lockedForMs: number };

/**
 * Counts failed and running attempts for a key, such as an email. Together they never exceed the limit of failures, so
 * that simultaneous guesses can't exceed it. Successful attempts don't use it up.
 */
export interface Attempts {
  /**
   * "full": no more attempts may run at once; the caller tries again. An attempt that never ends counts for a minute.
   */
  enter(key: string, attempt: string, limit: Limit): Promise<Entry>;
  /** Ends an attempt: counts it, or forgives all earlier failures, or changes nothing. */
  leave(key: string, attempt: string, outcome: Outcome, limit: Limit): Promise<void>;
}

/** Longer than any attempt takes. */
const LEASE_MS = 60_000;
const SWEEP_MS = 60_000;

type State = { failed: number; ends: number; tries: Map<string, number> };

/** For a single process, and while Redis is away. */
export function createMemoryAttempts(now: () => number = Date.now): Attempts {
  const states = new Map<string, State>();
  let sweepAt = 0;

  /** The present state, without expired parts. */
  function read(key: string): State {
    const state = states.get(key) ?? { failed: 0, ends: 0, tries: new Map<string, number>() };
    if (state.ends <= now()) state.failed = 0;
    for (const [attempt, ends] of state.tries) if (ends <= now()) state.tries.delete(attempt);
    return state;
  }

  function write(key: string, state: State): void {
    if (state.failed === 0 && state.tries.size === 0) states.delete(key);
    else states.set(key, state);
  }

  function sweep(): void {
    if (now() < sweepAt) return;
    sweepAt = now() + SWEEP_MS;
    for (const key of states.keys()) write(key, read(key));
  }

  return {
    async enter(key, attempt, { maxFailed, maxAtOnce }) {
      sweep();
      const state = read(key);
      if (state.failed >= maxFailed) return { lockedForMs: state.ends - now() };
      if (state.tries.size >= Math.min(maxAtOnce, maxFailed - state.failed)) return "full";
      state.tries.set(attempt, now() + LEASE_MS);
      write(key, state);
      return "entered";
    },
    async leave(key, attempt, outcome, { windowMs }) {
      const state = read(key);
      state.tries.delete(attempt);
      if (outcome === "failed" && state.failed++ === 0) state.ends = now() + windowMs;
      if (outcome === "forgiven") state.failed = 0;
      write(key, state);
    },
  };
}

/** Reads the state from JSON, without expired parts, by Redis's clock. `WRITE` keeps it until its last part expires. */
const READ = `local time = redis.call('TIME'); local now = time[1] * 1000 + math.floor(time[2] / 1000)
  local state = cjson.decode(redis.call('GET', KEYS[1]) or '{"failed":0,"ends":0,"tries":{}}')
  if state.ends <= now then state.failed = 0 end
  local underWay = 0
  for attempt, ends in pairs(state.tries) do
    if ends <= now then state.tries[attempt] = nil else underWay = underWay + 1 end
  end`;
const WRITE = `local last = state.failed > 0 and state.ends or now
  for _, ends in pairs(state.tries) do last = math.max(last, ends) end
  if last > now then redis.call('SET', KEYS[1], cjson.encode(state), 'PX', last - now) else redis.call('DEL', KEYS[1]) end`;

// KEYS[1] the state; ARGV attempt, most failures, most at once, lease in ms. Answers 0 if it has entered and -1 if it
// is full. Otherwise it answers the ms until the lock ends.
const ENTER = `${READ}
  local maxFailed = tonumber(ARGV[2])
  if state.failed >= maxFailed then return state.ends - now end
  if underWay >= math.min(tonumber(ARGV[3]), maxFailed - state.failed) then return -1 end
  state.tries[ARGV[1]] = now + tonumber(ARGV[4])
  ${WRITE}
  return 0`;
// KEYS[1] the state; ARGV attempt, outcome, window in ms.
const LEAVE = `${READ}
  state.tries[ARGV[1]] = nil
  if ARGV[2] == 'failed' then
    state.failed = state.failed + 1
    if state.failed == 1 then state.ends = now + tonumber(ARGV[3]) end
  elseif ARGV[2] == 'forgiven' then
    state.failed = 0
  end
  ${WRITE}
  return 0`;

type Scripts = {
  attemptEnter(key: string, attempt: string, maxFailed: number, maxAtOnce: number, leaseMs: number): Promise<number>;
  attemptLeave(key: string, attempt: string, outcome: Outcome, windowMs: number): Promise<number>;
};

/** Shared by all processes. All its keys begin with `prefix`. */
export function createRedisAttempts(redis: Redis | Cluster, prefix: string): Attempts {
  redis.defineCommand("attemptEnter", { numberOfKeys: 1, lua: ENTER });
  redis.defineCommand("attemptLeave", { numberOfKeys: 1, lua: LEAVE });
  const scripts = redis as typeof redis & Scripts;
  return {
    async enter(key, attempt, { maxFailed, maxAtOnce }) {
      const answer = await scripts.attemptEnter(prefix + key, attempt, maxFailed, maxAtOnce, LEASE_MS);
      if (answer > 0) return { lockedForMs: answer };
      return answer === 0 ? "entered" : "full";
    },
    async leave(key, attempt, outcome, { windowMs }) {
      await scripts.attemptLeave(prefix + key, attempt, outcome, windowMs);
    },
  };
}

import type { Cluster, Redis } from "ioredis";

/**
 * The data of presence in Redis. Names and marks are shared with processes of the previous version:
 *
 *   presence:processes      sorted set   process → the end of its lease, in ms by Redis's clock alone. In a cluster the
 *                                        nodes' clocks must differ by less than a second.
 *                                        Also marks:
 *                                        "~emptied" → when a process last came out of an outage: Redis had lost its lease,
 *                                        or all leases had ended;
 *                                        "~since" → the earliest end of a lease in that outage;
 *                                        "~telling/<process>" → until when Redis may lack connections of this process;
 *                                        "~replaced/<process>" → when this process took another name;
 *                                        "~unheard" → until when every user with an entry counts as online, because a
 *                                        process that is cut off from Redis may have their connections
 *   presence:organisations  set          the organisations that have a hash
 *   presence:{<id>}         hash         user → JSON of the user's connections: "<process>/<connection>" → 0 while it is
 *                                        open, afterwards the ms at which its grace period ends
 *   presence:sweeper        string       the process whose turn it is to sweep
 *   presence:counts         string       the numbers of online users that the last sweep found, as JSON
 *   presence:ended:<id>     string       set after a process has logged the end of this process's lease
 *
 * A user has an entry exactly from their online event to their offline event. An open connection counts until its
 * process's lease plus one grace period ends. A lost connection counts until its own grace period ends. A sweeper
 * replaces all lost connections of a user by one claim. The claim is a connection "~<process>", and expires after 5 s
 * if the sweeper dies.
 */
export const PROCESSES = "presence:processes";
export const ORGANISATIONS = "presence:organisations";
export const EMPTIED = "~emptied";
export const SINCE = "~since";
export const PENDING = "~telling/";
export const REPLACED = "~replaced/";
export const CUT_OFF = "~unheard";
export const SWEEPER = "presence:sweeper";
export const COUNTS = "presence:counts";
export const hashOf = (organisationId: string) => `presence:{${organisationId}}`;
export const endedKeyOf = (process: string) => `presence:ended:${process}`;

const NOW = `local time = redis.call('TIME'); local now = time[1] * 1000 + math.floor(time[2] / 1000)`;
// A text that isn't an entry counts as no entry: it delays only its own user.
const DECODE = `local function decode(text)
      local isJson, entry = pcall(cjson.decode, text or '{}')
      if not isJson or type(entry) ~= 'table' then return nil end
      for key, ends in pairs(entry) do
        if type(key) ~= 'string' or type(ends) ~= 'number' then return nil end
      end
      return entry
    end`;
const READ = `${DECODE} local entry = decode(redis.call('HGET', KEYS[1], ARGV[1])) or {}`;
const WRITE = `redis.call('HSET', KEYS[1], ARGV[1], cjson.encode(entry))`;
const isClaim = "string.sub(key, 1, 1) == '~'";

const scripts = {
  // KEYS[1] the organisation's hash. ARGV for each connection: user, connection, its previous name (or "").
  // Answers for each connection 1 if its user came online.
  presenceJoin: `${DECODE}
    local answers = {}
    for first = 1, #ARGV, 3 do
      local user, connection, before = ARGV[first], ARGV[first + 1], ARGV[first + 2]
      local entry = decode(redis.call('HGET', KEYS[1], user)) or {}
      local cameOnline = 1
      for key, ends in pairs(entry) do
        if not (${isClaim}) then
          cameOnline = 0
          if ends > 0 then entry[key] = nil end
        end
      end
      if before ~= '' then entry[before] = nil end
      entry[connection] = 0
      redis.call('HSET', KEYS[1], user, cjson.encode(entry))
      answers[#answers + 1] = cameOnline
    end
    return answers`,
  // KEYS[1] the organisation's hash. ARGV user, connection or "all", grace period in ms, whether Redis may lack the join.
  // In that case a known user still gets the grace period.
  presenceLeave: `${READ} ${NOW}
    local isMissing = false
    for key, ends in pairs(entry) do
      if not (${isClaim}) and not entry[ARGV[2]] and ARGV[4] == '1' then isMissing = true end
      if key == ARGV[2] and ends == 0 or ARGV[2] == 'all' and not (${isClaim}) then entry[key] = now + ARGV[3] end
    end
    if isMissing then entry[ARGV[2]] = now + ARGV[3] end
    if next(entry) then ${WRITE} end
    return 0`,
  // KEYS[1] the organisation's hash. ARGV user, the entry of the decision, claim, its ms; time of the decision, for how
  // many ms it is valid. Answers 1 if the user is claimed now, because the entry is still the same. Deletes the user's
  // connections: they don't count any more.
  presenceClaim: `${NOW}
    if now > ARGV[5] + ARGV[6] or redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
    local entry = { [ARGV[3]] = now + ARGV[4] }
    ${WRITE}
    return 1`,
  // KEYS[1] the organisation's hash. ARGV user, claim. Ends the claim. Answers 1 if the user is back. Deletes the entry
  // of a user who isn't back and has no other claim.
  presenceRelease: `${READ}
    entry[ARGV[2]] = nil
    if not next(entry) then
      redis.call('HDEL', KEYS[1], ARGV[1])
      return 0
    end
    ${WRITE}
    for key in pairs(entry) do
      if not (${isClaim}) then return 1 end
    end
    return 0`,
  // KEYS[1] the organisation's hash. ARGV user, grace period in ms.
  presenceExpect: `${NOW}
    return redis.call('HSETNX', KEYS[1], ARGV[1], cjson.encode({ expected = now + ARGV[2] }))`,
  // KEYS[1] the organisation's hash. ARGV user, grace period in ms. Replaces an unreadable entry.
  presenceMend: `${DECODE} ${NOW}
    local text = redis.call('HGET', KEYS[1], ARGV[1])
    if not text or decode(text) then return 0 end
    return redis.call('HSET', KEYS[1], ARGV[1], cjson.encode({ expected = now + ARGV[2] }))`,
  // KEYS[1] the processes. ARGV process, lease in ms, how long ended leases are kept, whether it had a lease; whether
  // Redis may lack connections of it, its previous name (or ""). Answers 0 if its lease was running, and 2 if there was
  // none. Answers 1 if it has ended, so that others may have evicted its users. Then it stays ended.
  presenceTouch: `${NOW}
    local name, leaseMs = ARGV[1], tonumber(ARGV[2])
    -- A renewal that arrives late, after its process took another name, brings nothing back.
    if redis.call('ZSCORE', KEYS[1], '${REPLACED}' .. name) then return 1 end
    local ends = tonumber(redis.call('ZSCORE', KEYS[1], name) or nil)
    local isEmptied = not ends and ARGV[4] == '1'
    local hasEnded = ends and ends <= now
    local isOutage = isEmptied
    if hasEnded then
      -- If another process could renew its lease, this wasn't an outage but trouble of this process alone.
      isOutage = true
      local all = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
      for i = 1, #all, 2 do
        if string.sub(all[i], 1, 1) ~= '~' and tonumber(all[i + 1]) > now then isOutage = false end
      end
    end
    if isOutage then
      -- The outage may also have ended leases since the last renewal of this one.
      local before = tonumber(redis.call('ZSCORE', KEYS[1], '${EMPTIED}') or 0)
      local since = hasEnded and ends - leaseMs or now
      if before + leaseMs > now then since = math.min(since, tonumber(redis.call('ZSCORE', KEYS[1], '${SINCE}') or now)) end
      redis.call('ZADD', KEYS[1], now, '${EMPTIED}', since, '${SINCE}')
    end
    if hasEnded then return 1 end
    redis.call('ZADD', KEYS[1], now + leaseMs, name)
    -- A score of 0 is removed below.
    redis.call('ZADD', KEYS[1], (isEmptied or ARGV[5] == '1') and now + leaseMs or 0, '${PENDING}' .. name)
    if ARGV[6] ~= '' then
      redis.call('ZADD', KEYS[1], 0, ARGV[6], 0, '${PENDING}' .. ARGV[6], now, '${REPLACED}' .. ARGV[6])
    end
    redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[3])
    return ends and 0 or 2`,
  // KEYS[1] the processes. ARGV mark, for how many ms.
  presenceMark: `${NOW}
    return redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])`,
  // KEYS[1] the processes. Answers the time in ms, then each process or mark with its score.
  presenceLeases: `${NOW}
    local answer = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
    table.insert(answer, 1, string.format('%.0f', now))
    return answer`,
};

type Scripts = {
  presenceJoin(hash: string, ...connections: string[]): Promise<number[]>;
  presenceLeave(hash: string, user: string, connection: string, graceMs: number, mayBeUnknown: 0 | 1): Promise<number>;
  presenceClaim(
    hash: string,
    user: string,
    seen: string,
    claim: string,
    claimMs: number,
    decidedAt: number,
    holdsMs: number,
  ): Promise<number>;
  presenceRelease(hash: string, user: string, claim: string): Promise<number>;
  presenceExpect(hash: string, user: string, graceMs: number): Promise<number>;
  presenceMend(hash: string, user: string, graceMs: number): Promise<number>;
  presenceTouch(
    processes: string,
    process: string,
    leaseMs: number,
    keepMs: number,
    hadLease: 0 | 1,
    hasPendingJoins: 0 | 1,
    before: string,
  ): Promise<number>;
  presenceMark(processes: string, mark: string, ms: number): Promise<number>;
  presenceLeases(processes: string): Promise<string[]>;
};

export type WithScripts = (Redis | Cluster) & Scripts;

/** Adds the scripts above to a client, as methods. */
export function withScripts(client: Redis | Cluster): WithScripts {
  for (const [name, lua] of Object.entries(scripts)) client.defineCommand(name, { numberOfKeys: 1, lua });
  return client as WithScripts;
}

/** The most changes that are sent at once. */
export const CHUNK = 200;

/** Whether Redis refuses an organisation's key because of its type. Such a fault is no outage: a retry doesn't help. */
export const isPoison = (error: unknown): boolean => error instanceof Error && error.message.startsWith("WRONGTYPE");

export const notConnected = () => new Error("Redis isn't connected");

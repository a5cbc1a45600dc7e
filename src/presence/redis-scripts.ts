import type { Cluster, Redis } from "ioredis";

/**
 * What presence keeps in Redis:
 *
 *   presence:processes      sorted set   process → when its lease ends (ms, Redis's clock, so that no other one matters;
 *                                        in a cluster the nodes' clocks should differ by less than a second). And marks:
 *                                        "~emptied" → when a process last came out of an outage: it found its lease gone,
 *                                        or ended as all the others; "~since" → from when on leases ended in that outage;
 *                                        "~telling/<process>" → until when this process may have connections that Redis
 *                                        doesn't know; "~unheard" → until when readers count everybody as online
 *                                        who has an entry, as a process that is cut off from Redis may have them
 *   presence:organisations  set          the organisations that have a hash
 *   presence:{<id>}         hash         user → JSON of his connections: "<process>/<connection>" → 0 while it is there,
 *                                        else the ms at which its grace ends
 *   presence:sweeper        string       the process whose turn it is to sweep
 *   presence:counts         string       how many users the last sweep has found online, as JSON
 *   presence:ended:<id>     string       set when a process has logged that this process's lease has ended
 *
 * A user has an entry exactly while he was told to be online. A connection counts while it is there and its process's
 * lease, plus one grace, hasn't ended; or while its own grace hasn't. Who sweeps a user replaces all of them, which are
 * gone, by a connection "~<process>" that ends in 5 s: a claim, which runs out by itself when the sweeper dies.
 */
export const PROCESSES = "presence:processes";
export const ORGANISATIONS = "presence:organisations";
export const EMPTIED = "~emptied";
export const SINCE = "~since";
export const TELLING = "~telling/";
export const UNHEARD = "~unheard";
export const SWEEPER = "presence:sweeper";
export const COUNTS = "presence:counts";
export const hashOf = (organisationId: string) => `presence:{${organisationId}}`;
export const endedKeyOf = (process: string) => `presence:ended:${process}`;

const NOW = `local time = redis.call('TIME'); local now = time[1] * 1000 + math.floor(time[2] / 1000)`;
// Text that is no entry counts as none: an unreadable entry delays only its own user.
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
  // KEYS[1] the organisation's hash; ARGV of each connection: user, connection, the name that it had before (or "").
  // Answers for each 1 when the user came online.
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
  // KEYS[1] the organisation's hash; ARGV user, connection or "all", grace in ms, whether the connection may be unknown here:
  // a user who is known keeps the grace of that one as well.
  presenceLeave: `${READ} ${NOW}
    local isMissing = false
    for key, ends in pairs(entry) do
      if not (${isClaim}) and not entry[ARGV[2]] and ARGV[4] == '1' then isMissing = true end
      if key == ARGV[2] and ends == 0 or ARGV[2] == 'all' and not (${isClaim}) then entry[key] = now + ARGV[3] end
    end
    if isMissing then entry[ARGV[2]] = now + ARGV[3] end
    if next(entry) then ${WRITE} end
    return 0`,
  // KEYS[1] the organisation's hash; ARGV user, the entry that the decision was made on, claim, its ms, when the decision
  // was made, for how many ms it holds. Answers 1 when the user is now claimed: the entry is still the same. Its
  // connections are forgotten: nobody can count on them any more.
  presenceClaim: `${NOW}
    if now > ARGV[5] + ARGV[6] or redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
    local entry = { [ARGV[3]] = now + ARGV[4] }
    ${WRITE}
    return 1`,
  // KEYS[1] the organisation's hash; ARGV user, claim. Ends the claim; answers 1 when the user is back. He is forgotten
  // when he isn't and nobody else has claimed him meanwhile.
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
  // KEYS[1] the organisation's hash; ARGV user, grace in ms.
  presenceExpect: `${NOW}
    return redis.call('HSETNX', KEYS[1], ARGV[1], cjson.encode({ expected = now + ARGV[2] }))`,
  // KEYS[1] the organisation's hash; ARGV user, grace in ms. Replaces an entry that can't be read.
  presenceMend: `${DECODE} ${NOW}
    local text = redis.call('HGET', KEYS[1], ARGV[1])
    if not text or decode(text) then return 0 end
    return redis.call('HSET', KEYS[1], ARGV[1], cjson.encode({ expected = now + ARGV[2] }))`,
  // KEYS[1] the processes; ARGV process, lease in ms, for how long ended leases are kept, whether it has had a lease,
  // whether it may have connections that Redis doesn't know, its name before (or ""). Answers 0 when its lease is running,
  // 1 when it has ended, so that others may have let its users leave: it stays ended then. 2 when there is none.
  presenceTouch: `${NOW}
    local name, leaseMs = ARGV[1], tonumber(ARGV[2])
    local ends = tonumber(redis.call('ZSCORE', KEYS[1], name) or nil)
    local isEmptied = not ends and ARGV[4] == '1'
    local hasEnded = ends and ends <= now
    local isOutage = isEmptied
    if hasEnded then
      -- While others could renew theirs it was this process's trouble alone.
      isOutage = true
      local all = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
      for i = 1, #all, 2 do
        if string.sub(all[i], 1, 1) ~= '~' and tonumber(all[i + 1]) > now then isOutage = false end
      end
    end
    if isOutage then
      -- Leases that ended since this process last renewed its own may have done so in the same outage.
      local before = tonumber(redis.call('ZSCORE', KEYS[1], '${EMPTIED}') or 0)
      local since = hasEnded and ends - leaseMs or now
      if before + leaseMs > now then since = math.min(since, tonumber(redis.call('ZSCORE', KEYS[1], '${SINCE}') or now)) end
      redis.call('ZADD', KEYS[1], now, '${EMPTIED}', since, '${SINCE}')
    end
    if hasEnded then return 1 end
    redis.call('ZADD', KEYS[1], now + leaseMs, name)
    -- 0 has ended long ago, and is removed below.
    redis.call('ZADD', KEYS[1], (isEmptied or ARGV[5] == '1') and now + leaseMs or 0, '${TELLING}' .. name)
    if ARGV[6] ~= '' then redis.call('ZADD', KEYS[1], 0, ARGV[6], 0, '${TELLING}' .. ARGV[6]) end
    redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[3])
    return ends and 0 or 2`,
  // KEYS[1] the processes; ARGV mark, for how many ms it is set.
  presenceMark: `${NOW}
    return redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])`,
  // KEYS[1] the processes. Answers the time in ms, then each process or mark and its score.
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
    isTelling: 0 | 1,
    before: string,
  ): Promise<number>;
  presenceMark(processes: string, mark: string, ms: number): Promise<number>;
  presenceLeases(processes: string): Promise<string[]>;
};

export type WithScripts = (Redis | Cluster) & Scripts;

/** Teaches a client the scripts above, by their names. */
export function withScripts(client: Redis | Cluster): WithScripts {
  for (const [name, lua] of Object.entries(scripts)) client.defineCommand(name, { numberOfKeys: 1, lua });
  return client as WithScripts;
}

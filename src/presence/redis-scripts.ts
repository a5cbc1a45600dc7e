import type { Cluster, Redis } from "ioredis";

/**
 * What presence keeps in Redis:
 *
 *   presence:processes      sorted set   process → when its lease ends (ms, Redis's clock, so that no other one matters;
 *                                        in a cluster the nodes' clocks should differ by less than a second);
 *                                        "~emptied" → when a process found that Redis had lost its data
 *   presence:organisations  set          the organisations that have a hash
 *   presence:{<id>}         hash         user → JSON of his connections: "<process>/<connection>" → 0 while it is there,
 *                                        else the ms at which its grace ends
 *   presence:sweeper        string       the process whose turn it is to sweep
 *   presence:counts         string       how many users the last sweep has found online, as JSON
 *
 * A user has an entry exactly while he was told to be online. A connection counts while it is there and its process's
 * lease, plus one grace, hasn't ended; or while its own grace hasn't. Who sweeps a user replaces all of them, which are
 * gone, by a connection "~<process>" that ends in 5 s: a claim, which runs out by itself when the sweeper dies.
 */
export const PROCESSES = "presence:processes";
export const ORGANISATIONS = "presence:organisations";
export const EMPTIED = "~emptied";
export const SWEEPER = "presence:sweeper";
export const COUNTS = "presence:counts";
export const hashOf = (organisationId: string) => `presence:{${organisationId}}`;

const NOW = `local time = redis.call('TIME'); local now = time[1] * 1000 + math.floor(time[2] / 1000)`;
const READ = `local entry = cjson.decode(redis.call('HGET', KEYS[1], ARGV[1]) or '{}')`;
const WRITE = `redis.call('HSET', KEYS[1], ARGV[1], cjson.encode(entry))`;
const isClaim = "string.sub(key, 1, 1) == '~'";

const scripts = {
  // KEYS[1] the organisation's hash; ARGV of each connection: user, connection, the name that it had before (or "").
  // Answers for each 1 when the user came online.
  presenceJoin: `local answers = {}
    for first = 1, #ARGV, 3 do
      local user, connection, before = ARGV[first], ARGV[first + 1], ARGV[first + 2]
      local entry = cjson.decode(redis.call('HGET', KEYS[1], user) or '{}')
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
  // KEYS[1] the organisation's hash; ARGV user, connection or "all", grace in ms.
  presenceLeave: `${READ} ${NOW}
    for key, ends in pairs(entry) do
      if key == ARGV[2] and ends == 0 or ARGV[2] == 'all' and not (${isClaim}) then entry[key] = now + ARGV[3] end
    end
    if next(entry) then ${WRITE} end
    return 0`,
  // KEYS[1] the organisation's hash; ARGV user, claim, its ms, the leases as JSON, grace in ms, process, for how long after
  // Redis was emptied nobody is gone. Answers 1 when the user is gone and now claimed. His connections of before are
  // forgotten: nobody can count on them any more. A process without a running lease knows too little to claim anybody.
  presenceClaim: `${READ} ${NOW}
    if not next(entry) then return 0 end
    local leases = cjson.decode(ARGV[4])
    if (leases[ARGV[6]] or 0) <= now or (leases['${EMPTIED}'] or 0) + ARGV[7] > now then return 0 end
    for key, ends in pairs(entry) do
      local untilMs = ends
      if ends == 0 then untilMs = (leases[string.match(key, '^[^/]+')] or 0) + ARGV[5] end
      if untilMs > now then return 0 end
    end
    entry = { [ARGV[2]] = now + ARGV[3] }
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
  // KEYS[1] the processes; ARGV process, lease in ms, for how long ended leases are kept, whether it has had a lease.
  // Answers 0 when its lease is running, 1 when it has ended, so that others may have let its users leave: it stays
  // ended then. 2 when there is none.
  presenceTouch: `${NOW}
    local ends = redis.call('ZSCORE', KEYS[1], ARGV[1])
    if ends and tonumber(ends) <= now then return 1 end
    redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
    redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[3])
    if ends then return 0 end
    if ARGV[4] == '1' then redis.call('ZADD', KEYS[1], now, '${EMPTIED}') end
    return 2`,
};

type Scripts = {
  presenceJoin(hash: string, ...connections: string[]): Promise<number[]>;
  presenceLeave(hash: string, user: string, connection: string, graceMs: number): Promise<number>;
  presenceClaim(
    hash: string,
    user: string,
    claim: string,
    claimMs: number,
    leases: string,
    graceMs: number,
    process: string,
    emptiedMs: number,
  ): Promise<number>;
  presenceRelease(hash: string, user: string, claim: string): Promise<number>;
  presenceExpect(hash: string, user: string, graceMs: number): Promise<number>;
  presenceTouch(processes: string, process: string, leaseMs: number, keepMs: number, hadLease: 0 | 1): Promise<number>;
};

/** Teaches a client the scripts above, by their names. */
export function withScripts<Client extends Redis | Cluster>(client: Client): Client & Scripts {
  for (const [name, lua] of Object.entries(scripts)) client.defineCommand(name, { numberOfKeys: 1, lua });
  return client as Client & Scripts;
}

import type { TokenSource } from "../types.ts";
import type { People, StaffRole } from "./people.ts";
import { FakeRefusal } from "./refusals.ts";
import type { Timers } from "./time.ts";

type Issued = { userId: string; expiresAt: number; authTime: number; isRefresh: boolean };

/** Gives tokens to clients: each function makes the person at the first use of the name. */
export interface FakeTokens {
  visitor(name: string): TokenSource;
  agent(name: string): TokenSource;
  supervisor(name: string): TokenSource;
  admin(name: string): TokenSource;
  /** A token of somebody who is known already, by id or name. `lifeMs` may be negative. */
  issue(idOrName: string, options?: { lifeMs?: number }): string;
  /** From now on the server refuses the tokens that it has issued, of one person or of everybody. It cuts their connections. */
  expire(idOrName?: string): void;
}

export interface Tokens extends FakeTokens {
  /** The user of a valid token. A bad one throws a FakeRefusal. */
  check(token: string): Issued;
  /** The answer to `POST /token`. */
  renew(token: string): { access_token: string };
}

type Parts = {
  timers: Timers;
  people: People;
  lifeMs: number;
  sessionMs: number;
  onExpired: (userIds: string[]) => void;
};

export function createTokens({ timers, people, lifeMs, sessionMs, onExpired }: Parts): Tokens {
  const issued = new Map<string, Issued>();
  let count = 0;

  function issue(userId: string, life: number, authTime = timers.now()): string {
    const { kind } = people.get(userId);
    const [now, expiresAt] = [timers.now(), Math.min(timers.now() + life, authTime + sessionMs)];
    const seconds = (ms: number) => Math.floor(ms / 1_000);
    const claims = {
      ...{ sub: userId, type: kind, iat: seconds(now), exp: seconds(expiresAt), auth_time: seconds(authTime) },
      jti: String(++count),
    };
    const token = [{ alg: "none", typ: "JWT" }, claims, { fake: count }].map(encode).join(".");
    issued.set(token, { userId, expiresAt, authTime, isRefresh: false });
    return token;
  }
  const staff = (role: StaffRole) => (name: string) => {
    const { id } = people.staff(name, role);
    return async () => issue(id, lifeMs);
  };
  const check = (token: string) => {
    const found = issued.get(token.replace(/^bearer /i, ""));
    if (!token) throw new FakeRefusal("missingToken");
    if (!found || found.expiresAt <= timers.now()) throw new FakeRefusal("invalidToken");
    if (people.get(found.userId).user.disabled) throw new FakeRefusal("unknownUser");
    return found;
  };

  return {
    visitor(name) {
      const { id } = people.visitor(name);
      return async () => issue(id, lifeMs);
    },
    ...{ agent: staff("agent"), supervisor: staff("supervisor"), admin: staff("admin"), check },
    issue: (idOrName, options = {}) => issue(people.get(idOrName).user.id, options.lifeMs ?? lifeMs),
    expire(idOrName) {
      const only = idOrName === undefined ? null : people.get(idOrName).user.id;
      const ended = new Set<string>();
      for (const [token, { userId }] of issued) {
        if (only !== null && userId !== only) continue;
        issued.delete(token);
        ended.add(userId);
      }
      onExpired([...ended]);
    },
    renew(token) {
      const { userId, authTime } = check(token);
      if (authTime + sessionMs <= timers.now()) throw new FakeRefusal("sessionOver");
      return { access_token: issue(userId, lifeMs, authTime) };
    },
  };
}

const encode = (part: object): string =>
  btoa(JSON.stringify(part)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");

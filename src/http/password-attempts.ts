import type { FastifyRequest } from "fastify";
import { Refusal, type RefusalCode } from "../contract/errors.ts";
import type { Account } from "../identity/accounts.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { Clients } from "../platform/net/client-address.ts";
import { keyOfEmail } from "../store/emails.ts";
import type { LoginLimits } from "./login-limits.ts";

type Attempt<T> = {
  kind: Account["kind"];
  /** Visitors of several organisations may have the same email. Staff have null here. */
  organisationId: string | null;
  email: string;
  /** The refusal of a wrong password. */
  wrong: RefusalCode;
  /** Null: the password is wrong, or there is no such account. */
  check: () => Promise<T | null>;
};

/**
 * Checks a password, and counts a wrong one as a failed login of this email and address.
 * @throws Refusal `wrong`, tooManyLogins, busy
 */
export type TryPassword = <T>(request: FastifyRequest, attempt: Attempt<T>) => Promise<T>;

type Options = { limits: LoginLimits; metrics: Metrics; clients: Clients };

export function createTryPassword({ limits, metrics, clients }: Options): TryPassword {
  return async ({ raw }, { kind, organisationId, email, wrong, check }) => {
    const namespace = kind === "staff" ? kind : `${kind}:${organisationId}`;
    try {
      const result = await limits.attempt(`${namespace}:${keyOfEmail(email)}`, clients.addressOf(raw), check);
      if (result === null) throw new Refusal(wrong);
      return result;
    } catch (error) {
      if (error instanceof Refusal) {
        metrics.loginsRefused.inc({ kind, reason: error.code });
        if (error.code === "tooManyLogins") metrics.rateLimited.inc({ what: "login" });
      }
      throw error;
    }
  };
}

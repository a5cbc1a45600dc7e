import type { FastifyRequest } from "fastify";
import { Refusal } from "../contract/errors.ts";
import type { Account, StaffAccount } from "../identity/accounts.ts";
import type { Tokens } from "../identity/tokens.ts";

declare module "fastify" {
  interface FastifyRequest {
    account: Account | null;
  }
}

/** An `onRequest` hook: it refuses a bad token before any other check. */
export const requireUser = (tokens: Tokens) => async (request: FastifyRequest) => {
  request.account = await tokens.authenticate(request.headers.authorization);
};

export const requireStaff = (tokens: Tokens) => async (request: FastifyRequest) => {
  request.account = await tokens.authenticate(request.headers.authorization);
  if (request.account.kind !== "staff") throw new Refusal("staffOnly");
};

export function userOf(request: FastifyRequest): Account {
  if (!request.account) throw new Error("route without requireUser");
  return request.account;
}

export function staffOf(request: FastifyRequest): StaffAccount {
  if (request.account?.kind !== "staff") throw new Error("route without requireStaff");
  return request.account;
}

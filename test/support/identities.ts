// Identity secrets of organisations, and the tokens that their sites sign with them.
import { createSigner } from "fast-jwt";
import type { Visitor } from "../../src/contract/models.ts";
import { type Answer, request, type Single } from "./http.ts";
import { type Organisation, tokenOf, type World } from "./world.ts";

export type Identified = { user: Visitor; access_token: string; refresh_token: string; joined: boolean };
export type Secret = { id: string; secret: string; created_at: number };

export async function newSecret(world: World, { admin }: Organisation, pod = 0): Promise<Secret> {
  const line = "POST /organisation/identity-secrets";
  const { status, body } = await request<Single<Secret>>(world.url(pod), line, { token: tokenOf(admin) });
  if (status !== 201) throw new Error(`no secret: ${status} ${JSON.stringify(body)}`);
  return body.data;
}

/** Claims that are valid for a minute. Undefined ones are left out. */
export function signIdentity(secret: string, claims: Record<string, unknown>): string {
  const all = { exp: Math.floor(Date.now() / 1000) + 60, ...claims };
  return createSigner({ key: secret, algorithm: "HS256", noTimestamp: true })(
    Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)),
  );
}

type Options = { token?: string | undefined; pod?: number; headers?: Record<string, string> };

/** Identifies a visitor of the organisation by these claims. */
export function identify(
  world: World,
  { id }: Pick<Organisation, "id">,
  identityToken: unknown,
  { token, pod = 0, headers = {} }: Options = {},
): Promise<Answer<Identified>> {
  const body = { identity_token: identityToken, organisation_id: id };
  return request(world.url(pod), "POST /visitor/identify", { body, token, headers });
}

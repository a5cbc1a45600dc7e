import { randomBytes } from "node:crypto";
import { createVerifier } from "fast-jwt";
import Type, { type TSchema } from "typebox";
import { Compile } from "typebox/compile";
import { Refusal } from "../contract/errors.ts";
import { isUnicode } from "../platform/unicode.ts";
import type { Claims } from "./identities.ts";

/** An identity token is worth an account: it should be used at once. */
const MAX_AHEAD_MS = 600_000;
const MAX_ATTRIBUTES = 4_096;
/** 256 bits, the size of the hash. */
const SECRET_BYTES = 32;

// PostgreSQL's texts can't contain NUL.
const text = (maxLength: number, expected = `a text of 1 to ${maxLength} characters`) =>
  Type.String({ minLength: 1, maxLength, pattern: "^[^\\u0000]*$", expected });
const orNull = <T extends Parameters<typeof Type.Union>[0][number]>(type: T) =>
  Type.Optional(Type.Union([type, Type.Null()], { expected: (type as { expected?: string }).expected }));

/** The claims of an identity token. A claim that is null counts as missing; further claims are ignored. */
const IdentityClaims = Type.Object({
  external_id: text(255),
  exp: Type.Number({ expected: "a number of seconds since 1970" }),
  iat: Type.Optional(Type.Number({ expected: "a number of seconds since 1970" })),
  name: orNull(text(200)),
  email: orNull(
    Type.String({ pattern: "^[^\\s\\u0000]{1,254}$", expected: "a text without spaces, at most 254 characters" }),
  ),
  attributes: orNull(Type.Record(Type.String(), Type.Unknown(), { expected: "an object" })),
});
const schema = Compile(IdentityClaims);
const schemas = Object.entries<{ expected?: string } & TSchema>(IdentityClaims.properties).map(
  ([name, one]) => [name, one.expected, Compile(one)] as const,
);

const refuse = (why: string): never => {
  throw new Refusal("invalidIdentity", { why });
};

/**
 * Reads an identity token that one of these keys has signed by HS256.
 * @throws Refusal invalidIdentity. Its sentence says more than that the signature is wrong only when it is right.
 */
export function readIdentityToken(token: string, keys: string[]): Claims {
  const payload = verified(token, keys);
  if (!schema.Check(payload)) return refuse(whyInvalid(payload));
  if (!isUnicode(payload)) return refuse("a claim has half of a character in it");
  const { external_id: externalId, exp, name, email, attributes } = payload;
  const expiresAt = exp * 1_000;
  if (expiresAt <= Date.now()) return refuse("it has expired");
  if (expiresAt > Date.now() + MAX_AHEAD_MS) return refuse("exp is more than 10 minutes ahead");
  if (attributes && Buffer.byteLength(JSON.stringify(attributes)) > MAX_ATTRIBUTES)
    return refuse(`attributes must have at most ${MAX_ATTRIBUTES} bytes as JSON`);
  return { externalId, name: name ?? undefined, email: email ?? undefined, attributes: attributes ?? undefined };
}

export const newIdentitySecret = (): string => randomBytes(SECRET_BYTES).toString("base64url");

function verified(token: string, keys: string[]): unknown {
  for (const key of keys) {
    try {
      return createVerifier({ key, algorithms: ["HS256"], ignoreExpiration: true })(token) as unknown;
    } catch {
      // The next key may fit.
    }
  }
  return refuse("it isn't signed by HS256 with a valid identity secret of the organisation");
}

function whyInvalid(payload: unknown): string {
  const given = payload as Record<string, unknown>;
  const required: readonly string[] = IdentityClaims.required;
  for (const [name, expected, one] of schemas) {
    const isMissing = given[name] === undefined && !required.includes(name);
    if (!isMissing && !one.Check(given[name])) return `${name} must be ${expected}`;
  }
  return "its payload must be an object";
}

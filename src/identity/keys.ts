import { createPublicKey } from "node:crypto";

/** As long as HS256's hash (RFC 7518, 3.2). */
export const MIN_SECRET_BYTES = 32;

/**
 * The keys of JWT_SECRET: of a comma list each, when each is long enough for a key. Any other text is one key as it
 * stands, since a random one may have commas in it.
 */
export function splitSecrets(text: string | undefined): string[] {
  if (text === undefined) return [];
  const parts = text.split(",");
  return parts.every((part) => Buffer.byteLength(part) >= MIN_SECRET_BYTES) ? parts : [text];
}

/** The keys of JWT_PUBLIC_KEY, one PEM after the other; line breaks may be written as `\n`. */
export function splitPublicKeys(text: string | undefined): string[] {
  if (text === undefined) return [];
  return text
    .replaceAll("\\n", "\n")
    .split(/(?<=-----END [^-]*-----\s*)(?=-----BEGIN )/)
    .map((pem) => pem.trim());
}

/** What issuers sign with this key. */
export function algorithmOf(publicKey: string): "RS256" | "ES256" | "EdDSA" {
  const type = createPublicKey(publicKey).asymmetricKeyType as string;
  return ({ rsa: "RS256", ec: "ES256" } as const)[type] ?? "EdDSA";
}

/** Whether it is one public key, of a kind that tokens can be checked with. */
export function isPublicKey(pem: string): boolean {
  try {
    const { asymmetricKeyType: type, asymmetricKeyDetails: details } = createPublicKey(pem);
    const isKnown = type === "rsa" || type === "ed25519" || (type === "ec" && details?.namedCurve === "prime256v1");
    // Node also takes a private key, and derives the public one.
    return isKnown && !pem.includes("PRIVATE KEY");
  } catch {
    return false;
  }
}

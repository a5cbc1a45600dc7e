import { createPublicKey } from "node:crypto";

/** As long as the hash of HS256 (RFC 7518, 3.2). */
export const MIN_SECRET_BYTES = 32;

/**
 * The keys of JWT_SECRET. It is a comma list if each part is long enough for a key. Otherwise the whole text is one
 * key, because a random key may contain commas.
 */
export function splitSecrets(text: string | undefined): string[] {
  if (text === undefined) return [];
  const parts = text.split(",");
  return parts.every((part) => Buffer.byteLength(part) >= MIN_SECRET_BYTES) ? parts : [text];
}

/** The keys of JWT_PUBLIC_KEY: one or more PEMs, with line breaks or `\n`. */
export function splitPublicKeys(text: string | undefined): string[] {
  if (text === undefined) return [];
  return text
    .replaceAll("\\n", "\n")
    .split(/(?<=-----END [^-]*-----\s*)(?=-----BEGIN )/)
    .map((pem) => pem.trim());
}

/** The algorithm of tokens that this key verifies. */
export function algorithmOf(publicKey: string): "RS256" | "ES256" | "EdDSA" {
  const type = createPublicKey(publicKey).asymmetricKeyType as string;
  return ({ rsa: "RS256", ec: "ES256" } as const)[type] ?? "EdDSA";
}

/** Whether the text is a single public key of a supported kind. */
export function isPublicKey(pem: string): boolean {
  try {
    const { asymmetricKeyType: type, asymmetricKeyDetails: details } = createPublicKey(pem);
    const isKnown = type === "rsa" || type === "ed25519" || (type === "ec" && details?.namedCurve === "prime256v1");
    // Node would also accept a private key, and derive the public one.
    return isKnown && !pem.includes("PRIVATE KEY");
  } catch {
    return false;
  }
}

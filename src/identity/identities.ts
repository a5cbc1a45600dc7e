import type { VisitorAccount } from "./accounts.ts";

export type IdentitySecret = { id: string; created_at: number };

/** The claims of an organisation's own site about a visitor. Missing fields change nothing. */
export type Claims = {
  /** The person's id there. Ids are the same only if all their bytes are. */
  externalId: string;
  name?: string | undefined;
  email?: string | undefined;
  attributes?: Record<string, unknown> | undefined;
};

/** The visitors known to organisations' own sites, and the secrets that these sign with. */
export interface Identities {
  /**
   * Finds the organisation's visitor with this external id, or makes one. An email that another account of the organisation
   * has is left out.
   * @param fallbackName the name of a new visitor when the claims have none
   */
  identify(
    claims: Claims & { organisationId: string; fallbackName: string },
  ): Promise<{ account: VisitorAccount; isNew: boolean }>;

  /** The keys of the organisation's valid secrets, the newest first. */
  secretKeys(organisationId: string): Promise<string[]>;
  /** Null when the organisation has `max` valid secrets already. */
  addSecret(organisationId: string, secret: string, max: number): Promise<IdentitySecret | null>;
  /** The valid ones, oldest first. */
  secrets(organisationId: string): Promise<IdentitySecret[]>;
  /** Ends a secret for good. An ended one stays as it is. Null: the organisation has no such secret. */
  endSecret(organisationId: string, id: string): Promise<(IdentitySecret & { ended_at: number }) | null>;
}

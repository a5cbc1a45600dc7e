import type { Staff, Visitor } from "../contract/models.ts";

/** Reads people by id. Those unknown are left out. */
export interface People {
  staff(ids: string[]): Promise<Staff[]>;
  visitors(ids: string[]): Promise<Visitor[]>;
}

/** A user, and where he belongs. */
export type StaffAccount = { kind: "staff"; user: Staff; organisationId: string };
export type VisitorAccount = { kind: "visitor"; user: Visitor; organisationId: string };
export type Account = StaffAccount | VisitorAccount;
/** How his password is checked stays inside, and with nobody who is connected. */
export type WithPassword = { passwordHash: string | null };

export type NewStaff = {
  /** A new one, if it isn't given. */
  id?: string;
  organisationId: string;
  fullName: string;
  displayName: string | null;
  email: string;
  roleId: number;
  passwordHash: string;
};
type PersonOf<T> = Omit<T, "organisationId">;
export type NewOrganisation = {
  name: string;
  staff: PersonOf<NewStaff>[];
  visitors?: PersonOf<NewVisitor>[];
  ifFirst?: boolean;
};
/** An anonymous visitor has neither email nor password. */
export type NewVisitor = { id?: string; organisationId: string; name: string; email?: string; passwordHash?: string };
export type StaffChanges = {
  full_name?: string;
  display_name?: string | null;
  role_id?: number;
  disabled?: boolean;
  password_hash?: string;
};

/**
 * Organisations, staff and visitors. Emails differ by more than case, blanks around them and Unicode's normal form: those of
 * all staff, and those of an organisation's visitors. "taken" means that this one doesn't.
 */
export interface Accounts extends People {
  /** As it is now or a moment later: those asked for at about the same time are read together. */
  byId(kind: Account["kind"], id: string): Promise<Account | null>;
  staffByEmail(email: string): Promise<(StaffAccount & WithPassword) | null>;
  /** One in each organisation at most, the oldest organisation's first; with an organisation, only there. */
  visitorsByEmail(email: string, organisationId?: string): Promise<(VisitorAccount & WithPassword)[]>;
  createStaff(staff: NewStaff): Promise<Staff | "taken">;
  createVisitor(visitor: NewVisitor): Promise<Visitor | "taken">;
  /**
   * Answers the staff as they are then; where nothing differs, nothing is written. Null when the organisation has no such
   * staff, "lastAdmin" when it would be left without an admin, "notAllowed" when the caller, if there is one, may not do it.
   * Both are judged as they are at that moment: no other change of the organisation's staff is under way then.
   */
  updateStaff(
    organisationId: string,
    id: string,
    changes: StaffChanges,
    by?: { callerId: string; may: (caller: Staff, target: Staff) => boolean },
  ): Promise<Staff | "lastAdmin" | "notAllowed" | null>;
  listStaff(organisationId: string, page: { afterId?: string | undefined; take: number }): Promise<Staff[]>;
  /** All of it or nothing. With `ifFirst` only on a database without any organisation, and null on another one. */
  createOrganisation(
    organisation: NewOrganisation,
  ): Promise<{ id: string; name: string; staff: Staff[] } | "taken" | null>;
  hasOrganisation(id: string): Promise<boolean>;
  /** Where visitors belong who name no organisation; null on an empty database. */
  oldestOrganisation(): Promise<string | null>;
}

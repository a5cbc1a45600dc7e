import type { Staff, Visitor } from "../contract/models.ts";

/** Reads people by id. Unknown ids are left out. */
export interface People {
  staff(ids: string[]): Promise<Staff[]>;
  visitors(ids: string[]): Promise<Visitor[]>;
}

/**
 * A user, their organisation, and the time from which their tokens are valid: ms since 1970, 0 while none was ended.
 * The database moves it forward, by at least 1 ms, when the password changes or the user is disabled.
 */
type AccountOf<Kind, User> = { kind: Kind; user: User; organisationId: string; tokensValidFrom: number };
export type StaffAccount = AccountOf<"staff", Staff>;
export type VisitorAccount = AccountOf<"visitor", Visitor>;
export type Account = StaffAccount | VisitorAccount;
/** Separate from `Account`, so that no connection keeps the hash. */
export type WithPassword = { passwordHash: string | null };

export type NewStaff = {
  /** Generated if missing. */
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

export type OwnChanges = {
  /** Staff have `full_name` and `display_name`, visitors have `name`. */
  names?: { full_name?: string; display_name?: string | null; name?: string };
  /** A new hash in place of the one that was checked. */
  password?: { hash: string; oldHash: string } | undefined;
};

/**
 * Organisations, staff and visitors. Emails are unique among all staff, and among the visitors of an organisation.
 * Case, surrounding spaces and Unicode's normal form don't make a difference. "taken" means that an email isn't unique.
 */
export interface Accounts extends People {
  /** Reads a user as they are now or a moment later. Simultaneous calls share a statement. */
  byId(kind: Account["kind"], id: string): Promise<Account | null>;
  /** Reads users of one kind. Unknown ids are left out. */
  byIds(kind: Account["kind"], ids: string[]): Promise<Account[]>;
  staffByEmail(email: string): Promise<(StaffAccount & WithPassword) | null>;
  /** Finds at most one account per organisation, the oldest organisation first. With `organisationId` only there. */
  visitorsByEmail(email: string, organisationId?: string): Promise<(VisitorAccount & WithPassword)[]>;
  createStaff(staff: NewStaff): Promise<Staff | "taken">;
  createVisitor(visitor: NewVisitor): Promise<Visitor | "taken">;
  /**
   * Answers the staff member after the changes. If nothing differs, nothing is written. Null: the organisation has no
   * such staff member. "lastAdmin": it would be left without an admin. "notAllowed": the caller may not do it. All are
   * judged in that moment, because changes of an organisation's staff exclude each other.
   */
  updateStaff(
    organisationId: string,
    id: string,
    changes: StaffChanges,
    by?: { callerId: string; may: (caller: Staff, target: Staff) => boolean },
  ): Promise<Staff | "lastAdmin" | "notAllowed" | null>;
  /** Null: the user has no password, or there is no such user. */
  passwordHashOf(account: Account): Promise<string | null>;
  /** Changes a user's own account. Null: the user is disabled now, or `oldHash` isn't their password any more. */
  updateOwn(account: Account, changes: OwnChanges): Promise<Account | null>;
  listStaff(organisationId: string, page: { afterId?: string | undefined; take: number }): Promise<Staff[]>;
  /** Creates all or nothing. With `ifFirst` only if there is no organisation yet; otherwise the answer is null. */
  createOrganisation(
    organisation: NewOrganisation,
  ): Promise<{ id: string; name: string; staff: Staff[] } | "taken" | null>;
  hasOrganisation(id: string): Promise<boolean>;
  /** The organisation of visitors who name none; null on an empty database. */
  oldestOrganisation(): Promise<string | null>;
}

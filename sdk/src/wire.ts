/** The objects of events and calls, as the server's contract defines them. */
export type ChatStatus = "unclaimed" | "claimed" | "closed";
export type Staff = {
  readonly id: string;
  readonly full_name: string;
  readonly display_name: string | null;
  readonly email: string;
  readonly role_id: 1 | 2 | 3;
  readonly organisation_id: string;
  readonly disabled: boolean;
  readonly created_at: number;
  readonly updated_at: number | null;
};
export type SeenStaff = Omit<Staff, "email"> & { readonly email: string | null };
/** A staff member as visitors see them. */
export type StaffProfile = { readonly id: string; readonly display_name: string; readonly role_id: 1 | 2 | 3 };
export type Visitor = {
  readonly id: string;
  readonly name: string;
  readonly email: string | null;
  readonly is_anonymous: boolean;
  readonly disabled: boolean;
  readonly created_at: number;
  readonly updated_at: number | null;
};
export type Room = {
  readonly id: string;
  readonly visitor_id: string;
  readonly tags: readonly string[];
  readonly severity_level: number;
  readonly created_at: number;
  readonly updated_at: number | null;
};
export type ChatMessage = {
  readonly id: string;
  readonly chat_id: string;
  readonly sequence_num: number;
  readonly type_id: number;
  readonly sender: string | null;
  readonly content: { readonly [key: string]: unknown };
  readonly created_at: number;
  readonly updated_at: number | null;
};

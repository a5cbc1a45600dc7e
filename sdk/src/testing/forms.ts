import type { Room, Staff } from "../wire.ts";

export type Protocol = 1 | 2;
type Payload = Readonly<Record<string, unknown>>;

/** The form in which a user receives a payload. */
export function formOf(payload: Payload, protocol: Protocol, isVisitor: boolean): Payload {
  const form: Record<string, unknown> = { ...payload };
  if (protocol === 2 && "messages" in form) delete form.contents;
  if (isVisitor) for (const part of ["user", "staff", "room"]) form[part] &&= viewOf(form[part] as object, protocol);
  for (const part of Object.keys(form)) if (!(part in payload)) delete form[part];
  return form;
}

function viewOf(part: object, protocol: Protocol): object {
  if ("role_id" in part && protocol === 2) return profileOf(part as Staff);
  if (!("severity_level" in part)) return part;
  const { id, visitor_id, created_at, updated_at } = part as Room;
  if (protocol === 2) return { id, visitor_id, created_at, updated_at };
  return { ...part, tags: [], severity_level: 0 };
}

/** A staff member as visitors see them. */
export const profileOf = ({ id, display_name, full_name, role_id }: Staff) => ({
  ...{ id, display_name: display_name ?? full_name, role_id },
});

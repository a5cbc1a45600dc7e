import Type, { type Static, type TObject, type TSchema } from "typebox";
import { type ServerEventName, type ServerPayload, serverEvents } from "./events.ts";
import { Room, SeenRoom, SeenStaff, Staff, StaffProfile } from "./models.ts";
import { secondSnapshots } from "./second-snapshots.ts";

/** The user of a connection: visitors see less than staff. */
export type Reader = "staff" | "visitor";

/** The events that visitors receive. All but `visitorsOnly` go to staff as well. */
export const visitorEvents = [
  ...(["visitor_init", "append_unclaimed_chats", "visitor_unclaimed_msg", "visitor_leave_queue"] as const),
  ...(["staff_join_room", "visitor_send", "staff_send", "staff_leave", "visitor_leave"] as const),
  "staff_being_taken_over_chat",
] as const satisfies ServerEventName[];
const visitorsOnly: ServerEventName[] = ["visitor_init", "staff_join_room"];
type VisitorEventName = (typeof visitorEvents)[number];

/** Stands for a part of a payload in the second form that visitors get. */
type Projection<From, To> = {
  /** The schemas in whose place `schema` stands. */
  of: TSchema[];
  schema: TSchema;
  is: (part: object) => boolean;
  make: (part: From) => To;
};

const staffProfile: Projection<Static<typeof SeenStaff>, StaffProfile> = {
  of: [Staff, SeenStaff],
  schema: StaffProfile,
  is: (part) => "role_id" in part,
  make: ({ id, display_name, full_name, role_id }) => ({ id, display_name: display_name ?? full_name, role_id }),
};
const seenRoom: Projection<Room, SeenRoom> = {
  of: [Room],
  schema: SeenRoom,
  is: (part) => "severity_level" in part,
  make: ({ id, visitor_id, created_at, updated_at }) => ({ id, visitor_id, created_at, updated_at }),
};
/** The registry of projections. */
const projections = [staffProfile, seenRoom] as Projection<object, object>[];

/** Where an event has people and rooms. A message's content may have fields of the same names. */
const PARTS = ["user", "staff", "visitor", "room"];
/** Left out where it stands beside `messages`, which have the same contents. */
const LEFT_OUT = "contents";

/** The schema of the second form of a payload. */
function schemaOf(payload: TObject, reader: Reader): TObject {
  const fields = Object.entries(payload.properties).filter(([name]) => name !== LEFT_OUT);
  if (reader === "staff") return fields.length === Object.keys(payload.properties).length ? payload : objectOf(fields);
  return objectOf(fields.map(([name, schema]) => [name, seenSchemaOf(schema)]));
}
const objectOf = (fields: [string, TSchema][]): TObject => Type.Object(Object.fromEntries(fields));
const seenSchemaOf = (schema: TSchema): TSchema => projections.find(({ of }) => of.includes(schema))?.schema ?? schema;

const formOf = (event: ServerEventName, payload: TObject, reader: Reader): TObject =>
  Object.hasOwn(secondSnapshots, event)
    ? secondSnapshots[event as keyof typeof secondSnapshots]
    : schemaOf(payload, reader);

/** The schemas of each event's second form, for the users who receive the event. */
export const secondForms: Record<ServerEventName, Partial<Record<Reader, TObject>>> = Object.fromEntries(
  Object.entries(serverEvents).map(([event, { payload }]) => {
    const name = event as ServerEventName;
    return [
      name,
      {
        ...(!visitorsOnly.includes(name) && { staff: formOf(name, payload, "staff") }),
        ...((visitorEvents as ServerEventName[]).includes(name) && { visitor: formOf(name, payload, "visitor") }),
      },
    ];
  }),
) as never;

type Snapshots = typeof secondSnapshots;
type Seen<T> = T extends { role_id: unknown } ? StaffProfile : T extends { severity_level: unknown } ? SeenRoom : T;
/** The payload of an event in its second form. */
export type SecondPayload<E extends ServerEventName, R extends Reader = "staff"> = E extends keyof Snapshots
  ? Static<Snapshots[E]>
  : R extends "staff"
    ? Omit<ServerPayload<E>, typeof LEFT_OUT>
    : E extends VisitorEventName
      ? { [K in keyof ServerPayload<E> as Exclude<K, typeof LEFT_OUT>]: Seen<ServerPayload<E>[K]> }
      : never;

/** Whether the second form of an event for staff differs from the first one. An unknown event is one of a newer version. */
const differing = new Set(
  Object.entries(secondForms).flatMap(([event, { staff }]) =>
    staff && staff !== serverEvents[event as ServerEventName].payload ? [event] : [],
  ),
);
export const mayDiffer = (event: string, reader: Reader): boolean => reader === "visitor" || differing.has(event);

/** The same part has the same projection: its JSON is made once. */
const made = new WeakMap<object, object>();

function project(part: object): object {
  const known = made.get(part);
  if (known) return known;
  const projection = projections.find(({ is }) => is(part));
  const projected = projection ? projection.make(part) : part;
  made.set(part, projected);
  return projected;
}

/** The second form of a payload. Answers the very same object where the two forms are equal. */
export function toSecondForm(payload: object, reader: Reader): object {
  let second = payload as Record<string, unknown>;
  if (LEFT_OUT in second && "messages" in second) {
    const { [LEFT_OUT]: _, ...others } = second;
    second = others;
  }
  if (reader === "staff") return second;
  for (const name of PARTS) {
    const part = second[name];
    if (typeof part !== "object" || part === null) continue;
    const projected = project(part);
    if (projected !== part) second = { ...second, [name]: projected };
  }
  return second;
}

import Type, { type Static } from "typebox";

export const ID_PATTERN = "^[0-9a-f]{32}$";
export const ID_EXAMPLE = "019ac1f2e3b47c5d8e6f708192a3b4c5";

/** 32 hex digits, time-ordered (a UUIDv7 without dashes). */
const Id = Type.String({
  pattern: ID_PATTERN,
  description: "32 hex digits, time-ordered",
  examples: [ID_EXAMPLE],
});

/** Whether `text` has the form of an id: the database is never asked about anything else. */
export const isId = (text: string): boolean => idPattern.test(text);
const idPattern = new RegExp(ID_PATTERN);

/** Milliseconds since 1970. */
const Time = Type.Integer({ description: "milliseconds since 1970", examples: [1764547200000] });
export const nullable = <T extends Type.TSchema>(schema: T) => Type.Union([schema, Type.Null()]);

export const role = { admin: 1, supervisor: 2, agent: 3 } as const;
export const RoleId = Type.Enum([1, 2, 3], {
  type: "integer",
  title: "RoleId",
  description: "1 admin, 2 supervisor, 3 agent",
  expected: "1 (admin), 2 (supervisor) or 3 (agent)",
});
export type RoleId = Static<typeof RoleId>;

export const Staff = Type.Object(
  {
    id: Id,
    full_name: Type.String({ examples: ["Alex Agent"] }),
    display_name: nullable(Type.String({ examples: ["Alex"] })),
    email: Type.String({ examples: ["agent1@demo.example"] }),
    role_id: RoleId,
    organisation_id: Id,
    disabled: Type.Boolean(),
    created_at: Time,
    updated_at: nullable(Time),
  },
  { title: "Staff" },
);
export type Staff = Static<typeof Staff>;

/** A staff member as visitors see them. */
export const SeenStaff = Type.Object(
  {
    ...Staff.properties,
    email: nullable(
      Type.String({
        description: "null to visitors where VISITORS_SEE_STAFF is public",
        examples: ["agent1@demo.example"],
      }),
    ),
  },
  { title: "SeenStaff" },
);

/** A staff member as visitors of `protocol=2` see them. */
export const StaffProfile = Type.Object(
  {
    id: Id,
    display_name: Type.String({ description: "the full name, where there is no display name", examples: ["Alex"] }),
    role_id: RoleId,
  },
  { title: "StaffProfile" },
);
export type StaffProfile = Static<typeof StaffProfile>;

export const Visitor = Type.Object(
  {
    id: Id,
    name: Type.String({ examples: ["Vera Visitor"] }),
    email: nullable(Type.String({ description: "null for an anonymous visitor", examples: ["visitor@demo.example"] })),
    is_anonymous: Type.Boolean(),
    disabled: Type.Boolean(),
    created_at: Time,
    updated_at: nullable(Time),
  },
  { title: "Visitor" },
);
export type Visitor = Static<typeof Visitor>;

/** A chat as it goes over the wire. */
export const Room = Type.Object(
  {
    id: Id,
    visitor_id: Id,
    tags: Type.Array(Type.String(), { examples: [[]] }),
    severity_level: Type.Integer({ description: "0 = not flagged", examples: [0] }),
    created_at: Time,
    updated_at: nullable(Time),
  },
  { title: "Room" },
);
export type Room = Static<typeof Room>;

/** A chat as visitors of `protocol=2` see it. */
export const SeenRoom = Type.Object(
  { id: Id, visitor_id: Id, created_at: Time, updated_at: nullable(Time) },
  { title: "SeenRoom" },
);
export type SeenRoom = Static<typeof SeenRoom>;

export const statuses = ["unclaimed", "claimed", "closed"] as const;
export const ChatStatus = Type.Enum(statuses, { type: "string", title: "ChatStatus" });
export type ChatStatus = Static<typeof ChatStatus>;

/** The content of a message: a non-empty JSON object of the front-end's own form, stored and delivered unchanged. */
export const Content = Type.Unsafe<Record<string, unknown>>({
  type: "object",
  minProperties: 1,
  title: "Content",
  description: "a non-empty JSON object, stored and delivered unchanged",
  examples: [{ content: "Hello?" }],
});
export type Content = Static<typeof Content>;

export const ChatMessage = Type.Object(
  {
    id: Id,
    chat_id: Id,
    sequence_num: Type.Integer({ description: "from 1 within the chat, without gaps", examples: [1] }),
    type_id: Type.Integer({ description: "1 message, 0 system message", examples: [1] }),
    sender: nullable(
      Type.String({
        description: "the staff's id; null for the visitor",
        examples: [ID_EXAMPLE],
      }),
    ),
    content: Content,
    created_at: Time,
    updated_at: nullable(Time),
  },
  { title: "ChatMessage" },
);
export type ChatMessage = Static<typeof ChatMessage>;

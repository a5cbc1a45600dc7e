/** The identity of a user, for presence and chats: a staff member or a visitor of one organisation. */
export type UserRef = { kind: "staff" | "visitor"; id: string; organisationId: string };

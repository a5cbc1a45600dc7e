/** A user, as presence and the chats know them: staff or visitor of one organisation. */
export type UserRef = { kind: "staff" | "visitor"; id: string; organisationId: string };

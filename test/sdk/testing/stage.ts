import type { Protocol } from "../../../sdk/src/testing/forms.ts";

/** A connection of one person, on the fake server or on a real pod. */
export interface Player {
  /** Sends an event, and notes the ack in the transcript. Answers the ack's values. */
  send(event: string, ...args: unknown[]): Promise<unknown[]>;
  /** The HTTP call's path may have `:chat` in it. */
  get(path: string): Promise<{ status: number; body: unknown }>;
  /** Ends the connection as a lost network does. */
  lose(): Promise<void>;
  /** Leaves by choice. */
  leave(): Promise<void>;
}

export const people = ["admin", "supervisor", "otherSupervisor", "agent", "otherAgent"] as const;
export type StaffName = (typeof people)[number];
export type PersonName = StaffName | "visitor" | "otherVisitor";

/** A place where a scenario is played. */
export interface Stage {
  protocol: Protocol;
  graceMs: number;
  /** Opens a connection, and waits for the snapshot. `as` is the name in the transcript. */
  enter(person: PersonName, as?: string): Promise<Player>;
  /** Waits until every event of the steps so far has arrived, and notes the events of each connection. */
  settle(): Promise<void>;
  wait(ms: number): Promise<void>;
  transcript: unknown[];
}

export type Scenario = { title: string; play(stage: Stage): Promise<void> };

/** The ids of chats and messages, as a scenario needs them. */
export const chatIdOf = (ack: unknown[]): string => (ack[2] as { chat_id: string }).chat_id;
export const newMessageId = (): string => crypto.randomUUID();

export type { Actor } from "./actor.ts";
export type { Fault, FaultFilter, Subject } from "./faults.ts";
export type { Misbehaviour } from "./misbehaviour.ts";
export type { FakeServerOptions } from "./options.ts";
export { FakeRefusal } from "./refusals.ts";
export { createFakeServer, type FakeChat, type FakeServer } from "./server.ts";
export type { FakeTime } from "./time.ts";
export type { FakeTokens } from "./tokens.ts";

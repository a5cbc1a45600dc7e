export { createSocketTransport } from "./connection/socket-transport.ts";
export { ChatError } from "./errors.ts";
export { createStaffClient } from "./staff-client.ts";
export type * from "./transport.ts";
export type * from "./types.ts";
export { createVisitorClient } from "./visitor-client.ts";
export type * from "./wire.ts";

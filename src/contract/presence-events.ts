import Type from "typebox";
import { inRoom, ofStaff, ofVisitor, type ServerEvent } from "./event-parts.ts";

/** Users who come online and go offline. */
export const presenceEvents = {
  staff_goes_online: {
    to: "all staff, except the staff member in the event",
    summary: "A staff member's first connection is there.",
    payload: Type.Object(ofStaff),
  },
  staff_goes_offline: {
    to: "all staff, except the staff member in the event",
    summary: "A staff member's last connection has ended, and so has the grace period.",
    payload: Type.Object(ofStaff),
  },
  visitor_goes_online: {
    to: "of a queued chat: all staff; of a claimed chat: the serving staff, the monitors",
    summary: "A visitor with an open chat has a connection again.",
    payload: Type.Object({ ...ofVisitor, ...inRoom }),
  },
  visitor_goes_offline: {
    to: "of a queued chat: all staff; of a claimed chat: the serving staff, the monitors",
    summary: "A visitor with an open chat has left, or has lost the last connection for longer than the grace period.",
    payload: Type.Object({ ...ofVisitor, ...inRoom }),
  },
} as const satisfies Record<string, ServerEvent>;

import { expect, test } from "vitest";
import { createAttendance } from "../../src/chat/attendance.ts";
import type { ChatPorts, People } from "../../src/chat/ports.ts";
import { createMemoryPresence } from "../../src/presence/memory.ts";

const user = { kind: "staff" as const, id: "agent", organisationId: "shop" };

/** What of an attendance is needed where somebody has come online, and nothing is known of who it is. */
function attendanceWith(staff: People["staff"]) {
  const presence = { ...createMemoryPresence(), touch: async () => [user] };
  const faults: unknown[] = [];
  const people = { staff, visitors: async () => [] };
  const options = { reconnectGraceMs: 0, onFault: (error: unknown) => faults.push(error) };
  return { faults, attendance: createAttendance(presence, people, {} as ChatPorts, options) };
}

// The lease would end otherwise, and everybody here be taken for gone.
test("a touch doesn't wait for the database to say who has come online", async () => {
  const { attendance } = attendanceWith(() => new Promise(() => {}));
  await attendance.touch();
});

test("that the database can't say it is a fault of its own", async () => {
  const { attendance, faults } = attendanceWith(() => Promise.reject(new Error("away")));
  await attendance.touch();
  await expect.poll(() => faults).toEqual([new Error("away")]);
});

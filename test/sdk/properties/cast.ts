import { createStaffClient, createVisitorClient } from "../../../sdk/src/index.ts";
import { createFakeServer, type FakeServer, type FakeServerOptions } from "../../../sdk/src/testing/index.ts";
import type { StaffClient, VisitorClient } from "../../../sdk/src/types.ts";
import { type Content, createDevice, type Device } from "./device.ts";

export type VisitorDevice = Device<VisitorClient<Content>>;
export type StaffDevice = Device<StaffClient<Content>>;

/** A server, and the machines of its people. */
export interface Cast {
  server: FakeServer;
  visitors: VisitorDevice[];
  staff: StaffDevice[];
  all: (VisitorDevice | StaffDevice)[];
  /** A text that was never sent before. */
  newText(device: { name: string }): string;
}

const visitorMachines = { "Vera's laptop": "Vera", "Vera's phone": "Vera", "Vito's laptop": "Vito" };

const staffMachines = { "Alex's desk": "Alex", "Alex's phone": "Alex", "Aki's desk": "Aki", "Sue's desk": "Sue" };

export function createCast(options: FakeServerOptions): Cast {
  const server = createFakeServer(options);
  for (const agent of ["Alex", "Aki", "Gus"]) server.tokens.agent(agent);
  for (const supervisor of ["Sue", "Gil"]) server.tokens.supervisor(supervisor);
  server.tokens.admin("Gwen");
  const visitors = Object.entries(visitorMachines).map(([name, person]) =>
    createDevice<VisitorClient<Content>>({
      ...{ server, name, person, role: "visitor" },
      make(options, failures) {
        const client = createVisitorClient<Content>(options);
        client.on("failed", ({ message, failure }) => failures.set(message.key, failure));
        return client;
      },
    }),
  );
  const staff = Object.entries(staffMachines).map(([name, person]) =>
    createDevice<StaffClient<Content>>({
      ...{ server, name, person, role: person === "Sue" ? "supervisor" : "agent" },
      make(options, failures) {
        const client = createStaffClient<Content>(options);
        client.on("failed", ({ message, failure }) => failures.set(message.key, failure));
        return client;
      },
    }),
  );
  let count = 0;
  return { server, visitors, staff, all: [...visitors, ...staff], newText: ({ name }) => `${++count} of ${name}` };
}

import { createStaffClient, createVisitorClient } from "../../../sdk/src/index.ts";
import { createFakeServer, type FakeServer, type FakeServerOptions } from "../../../sdk/src/testing/index.ts";
import type { Failure, StaffClient, VisitorClient } from "../../../sdk/src/types.ts";
import { type Access, type Content, createDevice, type Device } from "./device.ts";

export type VisitorDevice = Device<VisitorClient<Content>>;
export type StaffDevice = Device<StaffClient<Content>>;

/** A server, and the machines of its people. */
export interface Cast extends Machines {
  server: FakeServer;
}
export interface Machines {
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
  const accessOf = (role: "visitor" | "agent" | "supervisor", person: string): Access => ({
    ...{ url: "https://fake.example", transport: server.transport, token: server.tokens[role](person) },
    expired: () => server.tokens.issue(person, { lifeMs: -60_000 }),
  });
  const devices = createDevices((person, role) => accessOf(role, person));
  return { server, ...devices };
}

/** The machines of all people. `Sue` is a supervisor, and the other staff are agents. */
export function createDevices(
  accessOf: (person: string, role: "visitor" | "agent" | "supervisor") => Access,
): Machines {
  const visitors = Object.entries(visitorMachines).map(([name, person]) =>
    createDevice<VisitorClient<Content>>({
      ...{ access: accessOf(person, "visitor"), name, person },
      make: (options, failures) => noting(createVisitorClient<Content>(options), failures),
    }),
  );
  const staff = Object.entries(staffMachines).map(([name, person]) =>
    createDevice<StaffClient<Content>>({
      ...{ access: accessOf(person, person === "Sue" ? "supervisor" : "agent"), name, person },
      make: (options, failures) => noting(createStaffClient<Content>(options), failures),
    }),
  );
  let count = 0;
  return { visitors, staff, all: [...visitors, ...staff], newText: ({ name }) => `${++count} of ${name}` };
}

type Failed = { message: { key: string }; failure: Failure };
/** Notes the failures that the user is shown. */
function noting<C extends { on(name: "failed", listener: (event: Failed) => void): unknown }>(
  client: C,
  failures: Map<string, Failure>,
): C {
  client.on("failed", ({ message, failure }) => failures.set(message.key, failure));
  return client;
}

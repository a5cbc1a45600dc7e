import { createSigner } from "fast-jwt";
import { role, type Staff, type Visitor } from "../../src/contract/models.ts";
import { connectPostgres } from "../../src/store/prisma.ts";
import { createStore, type Store } from "../../src/store/store.ts";
import { enter, SENTINEL, type TestClient } from "./client.ts";
import { type Pod, startPod } from "./pod.ts";
import { JWT_SECRET } from "./process.ts";
import type { RedisServer } from "./servers.ts";
import { createDatabase, startRedis } from "./services.ts";

/** The two ways to run the product: what is true on one must be true on the other. */
export const topologies = ["one process", "two pods"] as const;
/** "One pod" and "no pod" have a Redis: on it, and on the database, a test starts pods of its own. */
export type Topology = (typeof topologies)[number] | "one pod" | "no pod";
const podCounts: Record<Topology, number> = { "one process": 1, "two pods": 2, "one pod": 1, "no pod": 0 };

export type World = {
  pods: Pod[];
  /** The pod that the n-th connection goes to: they take turns. */
  url(n: number): string;
  store: Store;
  databaseUrl: string;
  redis: RedisServer | undefined;
  /** A new organisation with an admin, two supervisors and two agents: tests don't meet in one. */
  organisation(): Promise<Organisation>;
  stop(): Promise<void>;
};

const staffNames = ["admin", "supervisor", "otherSupervisor", "agent", "otherAgent"] as const;
type StaffName = (typeof staffNames)[number];
const roles = {
  admin: role.admin,
  supervisor: role.supervisor,
  otherSupervisor: role.supervisor,
  agent: role.agent,
  otherAgent: role.agent,
};

export type Organisation = { id: string; visitor(name?: string): Promise<Visitor> } & Record<StaffName, Staff>;

const sign = createSigner({ key: JWT_SECRET, algorithm: "HS256", expiresIn: "1h" });

/** A token of the kind that the service issues itself. */
export const tokenOf = (user: Staff | Visitor): string =>
  sign({ sub: user.id, type: "role_id" in user ? "staff" : "visitor" });

/**
 * Starts the product on a database and a Redis of its own, unless `env` has them.
 * @param folder where another version of it is
 */
export async function startWorld(
  topology: Topology,
  env: Record<string, string> = {},
  folder?: string,
): Promise<World> {
  const database = env.DATABASE_URL ? { url: env.DATABASE_URL, drop: async () => {} } : await createDatabase();
  const count = podCounts[topology];
  const redis = topology !== "one process" && !env.REDIS_URL ? await startRedis() : undefined;
  const podEnv = { DATABASE_URL: database.url, ...(redis && { REDIS_URL: redis.url }), ...env };
  const pods = await Promise.all(Array.from({ length: count }, () => startPod(podEnv, folder)));
  const connected = connectPostgres(database.url);
  const store = createStore(connected);

  return {
    pods,
    url: (n) => pods[n % pods.length]?.url as string,
    store,
    databaseUrl: database.url,
    redis,
    organisation: () => createOrganisation(store),
    async stop() {
      await Promise.all(pods.map((pod) => pod.stop()));
      await connected.close();
      await redis?.stop();
      await database.drop();
    },
  };
}

export async function createOrganisation({ accounts }: Store): Promise<Organisation> {
  const unique = crypto.randomUUID();
  const created = await accounts.createOrganisation({
    name: `Organisation ${unique}`,
    staff: staffNames.map((name) => ({
      ...{ fullName: name, displayName: null, email: `${name}@${unique}`, roleId: roles[name], passwordHash: "none" },
    })),
  });
  if (!created || created === "taken") throw new Error("the organisation was not created");
  const { id } = created;
  const staff = Object.fromEntries(created.staff.map((one) => [one.full_name, one])) as Record<StaffName, Staff>;
  return {
    ...staff,
    id,
    async visitor(name = "visitor") {
      const visitor = await accounts.createVisitor({ organisationId: id, name });
      if (visitor === "taken") throw new Error("an anonymous visitor can't be taken");
      return visitor;
    },
  };
}

/** Everybody of one organisation, connected, each next one to the next pod. */
export type Cast = Record<StaffName | "visitor" | "stranger", TestClient & { init: unknown }>;

export async function enterAll(world: World, organisation: Organisation): Promise<Cast> {
  const users = {
    ...Object.fromEntries(staffNames.map((name) => [name, organisation[name]])),
    visitor: await organisation.visitor("visitor"),
    stranger: await organisation.visitor("stranger"),
  } as Record<keyof Cast, Staff | Visitor>;
  const cast = {} as Cast;
  let n = 0;
  for (const [name, user] of Object.entries(users))
    cast[name as keyof Cast] = await enter(world.url(n++), tokenOf(user));
  await settle(world, organisation, cast);
  for (const client of Object.values(cast)) client.forget();
  return cast;
}

/**
 * Waits until everything sent so far has arrived: an event that is missing then never comes. A staff member comes online
 * on each pod. All staff receive that after all earlier events of that pod, through Redis as well. Then each connection
 * makes a round trip. A staff member must be connected to every pod.
 */
export async function settle(
  world: World,
  { id: organisationId }: Organisation,
  cast: Record<string, TestClient>,
): Promise<void> {
  const everybody = Object.values(cast).filter(({ socket }) => socket.connected);
  const staff = everybody.filter(({ isStaff }) => isStaff);
  for (const pod of world.pods) {
    const sentinel = await world.store.accounts.createStaff({
      ...{ organisationId, fullName: SENTINEL, displayName: null, roleId: role.agent },
      ...{ email: crypto.randomUUID(), passwordHash: "none" },
    });
    if (sentinel === "taken") throw new Error("a random email can't be taken");
    const connection = await enter(pod.url, tokenOf(sentinel), { transports: ["websocket"] });
    await Promise.all(staff.map((client) => client.nextSentinel(sentinel.id)));
    connection.close();
  }
  await Promise.all(everybody.map((client) => client.send("no such event")));
}

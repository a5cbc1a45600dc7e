import type { FastifyBaseLogger } from "fastify";
import type { Attendance } from "../chat/attendance.ts";
import { joinChat } from "../chat/lifecycle.ts";
import type { ChatPorts } from "../chat/ports.ts";
import type { ShowToVisitor } from "../chat/visitors-view.ts";
import type { Config } from "../config/config.ts";
import type { Staff } from "../contract/models.ts";
import type { Account } from "../identity/accounts.ts";
import type { Tokens } from "../identity/tokens.ts";
import type { UserRef } from "../identity/user-ref.ts";
import type { Metrics } from "../metrics/metrics.ts";
import type { Part } from "../platform/part.ts";
import type { Bus } from "../platform/redis/bus.ts";
import type { Store } from "../store/store.ts";
import { createAudit } from "./audit.ts";
import { chatRoutes } from "./chats.ts";
import { registerDocuments } from "./documents.ts";
import { identifyRoute } from "./identify.ts";
import { identitySecretRoutes } from "./identity-secrets.ts";
import { createLoginLimits } from "./login-limits.ts";
import { loginRoutes } from "./logins.ts";
import { meRoutes } from "./me.ts";
import { watchMethods } from "./other-methods.ts";
import { createTryPassword } from "./password-attempts.ts";
import { createReadiness, metricsRoute, probeRoutes, READY_INTERVAL_MS } from "./probes.ts";
import type { HttpServers } from "./servers.ts";
import { tokenRoutes } from "./tokens.ts";
import { userRoutes } from "./users.ts";
import { visitorRoutes } from "./visitors.ts";

type Options = {
  config: Config;
  store: Store;
  tokens: Tokens;
  bus: Bus | undefined;
  show: ShowToVisitor;
  attendance: Pick<Attendance, "dismiss" | "expect">;
  announce: ChatPorts["announce"];
  sockets: { disconnectUser(user: UserRef): void; reconnectUser(user: UserRef): void };
  isDraining: () => boolean;
  metrics: Metrics;
  log: FastifyBaseLogger;
  /** Called when the eviction of a disabled user fails. */
  onLeaveFault: (error: unknown) => void;
};

/** Adds all routes to the HTTP servers. None can be added after the start. */
export async function addRoutes({ http, inside, clients }: HttpServers, options: Options): Promise<Part> {
  const { config, store, tokens, bus, show, attendance, announce, sockets, isDraining, metrics, log, onLeaveFault } =
    options;
  const { accounts, lists } = store;
  const refuseOtherMethods = watchMethods(http);
  await registerDocuments(http);
  const limits = createLoginLimits(bus?.redis);
  const tryPassword = createTryPassword({ limits, metrics, clients });
  loginRoutes(http, { config, accounts, tokens, tryPassword });
  tokenRoutes(http, { tokens });
  const audit = createAudit(clients);
  visitorRoutes(http, { config, accounts, audit });
  meRoutes(http, {
    ...{ accounts, tokens, tryPassword, audit },
    onNewPassword: (account) => sockets.reconnectUser(refOfAccount(account)),
  });
  identifyRoute(http, {
    ...{ accounts, identities: store.identities, tokens, limits, clients, metrics, audit },
    async join(former, identified) {
      // The chat must not stay open for ever if its visitor never connects.
      await attendance.expect(refOfAccount(identified));
      const { organisationId } = identified;
      const people = { organisationId, formerId: former.user.id, visitorId: identified.user.id };
      const isJoined = await joinChat({ chats: store.chats, announce }, people);
      // The former one has to come back as the identified visitor, and that visitor's other devices need the chat.
      for (const one of isJoined ? [former, identified] : []) sockets.reconnectUser(refOfAccount(one));
      return isJoined;
    },
  });
  identitySecretRoutes(http, { identities: store.identities, tokens, audit });
  userRoutes(http, {
    ...{ accounts, tokens, audit },
    async onDisabled(staff) {
      sockets.disconnectUser(refOf(staff));
      await attendance.dismiss(refOf(staff)).catch(onLeaveFault);
    },
    onNewRights: (staff) => sockets.reconnectUser(refOf(staff)),
  });
  chatRoutes(http, { lists, tokens, show });
  const readiness = createReadiness({ store, metrics, log, isDraining, isRedisUp: bus?.isUp });
  for (const server of inside ? [http, inside] : [http]) probeRoutes(server, readiness);
  metricsRoute(inside ?? http, metrics);
  refuseOtherMethods();
  return {
    // A check logs its own failure, and `chat_ready` shows it.
    timers: [{ everyMs: READY_INTERVAL_MS, work: readiness.check, onError: () => {} }],
    async start() {
      await Promise.all([http.ready(), inside?.ready()]);
    },
  };
}

const refOfAccount = ({ kind, user: { id }, organisationId }: Account): UserRef => ({ kind, id, organisationId });
const refOf = (staff: Staff): UserRef => ({ kind: "staff", id: staff.id, organisationId: staff.organisation_id });

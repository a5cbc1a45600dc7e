import type { FastifyRequest } from "fastify";
import type { Staff } from "../contract/models.ts";
import type { Clients } from "../platform/net/client-address.ts";

type Changed = {
  /** The id of the changed account or secret. */
  target: string;
  organisation: string;
  /** The names of the changed fields. Values of names and passwords must not be logged. */
  fields?: string[];
  /** The old and the new value of fields that decide about rights. */
  role?: { from?: number; to: number };
  disabled?: boolean;
  /** The anonymous visitor whose open chat became the target's. */
  former?: string;
};
/** Logs one line about a created or changed account or secret: who did it, to which one, what, and from which address. */
export type Audit = (request: FastifyRequest, what: keyof typeof sentences, changed: Changed) => void;

const sentences = {
  staffCreated: "staff account created",
  staffChanged: "staff account changed",
  visitorCreated: "visitor account created",
  visitorChanged: "visitor account changed",
  visitorIdentified: "visitor identified by the organisation's site",
  secretCreated: "identity secret created",
  secretEnded: "identity secret ended",
};

export function createAudit(clients: Pick<Clients, "addressOf">): Audit {
  return (request, what, changed) => {
    const by = request.account?.user.id ?? null;
    request.log.info(
      { event: "account", what, by, address: clients.addressOf(request.raw), ...changed },
      sentences[what],
    );
  };
}

/** The fields that differ, and `password` if it was set. Neither account shows it. */
export function changesOf(
  before: Staff,
  after: Staff,
  hasNewPassword: boolean,
): Omit<Changed, "target" | "organisation"> & { fields: string[] } {
  const fields = (["full_name", "display_name", "role_id", "disabled"] as const).filter(
    (name) => before[name] !== after[name],
  );
  return {
    fields: [...fields, ...(hasNewPassword ? ["password"] : [])],
    ...(fields.includes("role_id") && { role: { from: before.role_id, to: after.role_id } }),
    ...(fields.includes("disabled") && { disabled: after.disabled }),
  };
}

import Type from "typebox";
import { Refusal } from "../contract/errors.ts";
import { isId, RoleId, role, Staff } from "../contract/models.ts";
import type { Accounts } from "../identity/accounts.ts";
import { demoIds } from "../identity/demo.ts";
import { hashPassword } from "../identity/passwords.ts";
import type { Tokens } from "../identity/tokens.ts";
import { type Audit, changesOf } from "./audit.ts";
import { requireStaff, staffOf } from "./auth.ts";
import {
  AfterId,
  answers,
  Email,
  IdParam,
  Limit,
  Listed,
  Name,
  NewPassword,
  NullableName,
  page,
  Single,
} from "./schemas.ts";
import type { HttpServer } from "./server.ts";

type Context = {
  accounts: Accounts;
  tokens: Tokens;
  audit: Audit;
  /** Called after a staff member was disabled: they leave at once, everywhere. */
  onDisabled: (staff: Staff) => Promise<void>;
  /** Called after a staff member got another role or password: their connections must come again. */
  onNewRights: (staff: Staff) => void;
};

const tags = ["Staff"];
const security = [{ token: [] }];

export function userRoutes(http: HttpServer, { accounts, tokens, audit, onDisabled, onNewRights }: Context): void {
  const onRequest = requireStaff(tokens);

  http.post(
    "/users",
    {
      onRequest,
      schema: {
        ...{
          tags,
          security,
          operationId: "createStaff",
          summary: "Adds a staff member to the caller's organisation",
          description: "Admins and supervisors; only roles below their own, an admin also admins.",
        },
        body: Type.Object(
          {
            full_name: Name,
            email: Email,
            password: NewPassword,
            role_id: RoleId,
            display_name: Type.Optional(NullableName),
          },
          {
            title: "StaffCreation",
            examples: [{ full_name: "Kim Agent", email: "kim@demo.example", password: "demo-1234", role_id: 3 }],
          },
        ),
        response: answers(201, Single(Staff), 401, 403, 409),
      },
    },
    async (request, reply) => {
      const caller = staffOf(request);
      const { full_name: fullName, display_name: displayName = null, email, password, role_id: roleId } = request.body;
      if (!mayManage(caller.user, roleId)) throw new Refusal("notAllowed");
      const passwordHash = await hashPassword(password);
      const { organisationId } = caller;
      // The hash took a while, so read the caller again.
      const current = await accounts.byId("staff", caller.user.id);
      if (current?.kind !== "staff" || current.user.disabled || !mayManage(current.user, roleId))
        throw new Refusal("notAllowed");
      const data = await accounts.createStaff({ organisationId, fullName, displayName, email, roleId, passwordHash });
      if (data === "taken") throw new Refusal("emailTaken");
      audit(request, "staffCreated", { target: data.id, organisation: organisationId, role: { to: data.role_id } });
      return reply.code(201).send({ data });
    },
  );

  http.patch(
    "/users/:id",
    {
      onRequest,
      schema: {
        ...{
          tags,
          security,
          operationId: "changeStaff",
          summary: "Changes a staff member",
          description:
            "As above. Everybody may change their own names and password. The connections of disabled staff are closed. " +
            "A new password or `disabled` ends all tokens of this person.",
        },
        params: IdParam("the staff member's id", demoIds.robin),
        body: Type.Object(
          {
            full_name: Type.Optional(Name),
            display_name: Type.Optional(NullableName),
            role_id: Type.Optional(RoleId),
            disabled: Type.Optional(Type.Boolean({ expected: "true or false" })),
            password: Type.Optional(NewPassword),
          },
          { title: "StaffChanges", examples: [{ display_name: "Robin" }] },
        ),
        response: answers(200, Single(Staff), 401, 403, 404, 409),
      },
    },
    async (request) => {
      const caller = staffOf(request);
      const { full_name, display_name, role_id, disabled, password } = request.body;
      const target = isId(request.params.id) ? await accounts.byId("staff", request.params.id) : null;
      if (target?.kind !== "staff" || target.organisationId !== caller.organisationId) throw new Refusal("notFound");

      const may = (by: Staff, target: Staff) => {
        const isNew = {
          role: role_id !== undefined && role_id !== target.role_id,
          state: disabled !== undefined && disabled !== target.disabled,
        };
        const isOwnAffair = target.id === by.id && !isNew.role && !isNew.state;
        return isOwnAffair || (mayManage(by, target.role_id) && (role_id === undefined || mayManage(by, role_id)));
      };
      if (!may(caller.user, target.user)) throw new Refusal("notAllowed");

      const changes = {
        ...(full_name !== undefined && { full_name }),
        ...(display_name !== undefined && { display_name }),
        ...(role_id !== undefined && { role_id }),
        ...(disabled !== undefined && { disabled }),
        ...(password !== undefined && { password_hash: await hashPassword(password) }),
      };
      const by = { callerId: caller.user.id, may };
      const updated = await accounts.updateStaff(caller.organisationId, target.user.id, changes, by);
      if (updated === "notAllowed") throw new Refusal("notAllowed");
      if (updated === "lastAdmin") throw new Refusal("lastAdmin");
      if (!updated) throw new Refusal("notFound");
      const changed = changesOf(target.user, updated, password !== undefined);
      if (changed.fields.length > 0)
        audit(request, "staffChanged", { target: updated.id, organisation: caller.organisationId, ...changed });
      if (updated.disabled) await onDisabled(updated);
      else if (password !== undefined || updated.role_id !== target.user.role_id) onNewRights(updated);
      return { data: updated };
    },
  );

  http.get(
    "/users",
    {
      onRequest,
      schema: {
        ...{ tags, security, operationId: "listStaff", summary: "The staff of the caller's organisation" },
        querystring: Type.Object({
          after_id: AfterId,
          limit: Limit,
        }),
        response: answers(200, Listed(Staff), 401, 403),
      },
    },
    async (request) => {
      const { after_id: afterId, limit } = request.query;
      const staff = await accounts.listStaff(staffOf(request).organisationId, { afterId, take: limit + 1 });
      return page(staff, limit, ({ id }) => new URLSearchParams({ after_id: id, limit: String(limit) }), "/users");
    },
  );
}

/** Whether a staff member may add or change somebody with this role: a lower role, and an admin also admins. */
const mayManage = (caller: Staff, roleId: number): boolean => caller.role_id === role.admin || caller.role_id < roleId;

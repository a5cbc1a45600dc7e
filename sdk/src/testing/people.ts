import type { Staff, Visitor } from "../wire.ts";
import type { Person } from "./model.ts";
import type { Timers } from "./time.ts";

export type StaffRole = "agent" | "supervisor" | "admin";
const roleIds = { admin: 1, supervisor: 2, agent: 3 } as const;

export interface People {
  /** The user with this id or name. */
  find(idOrName: string): Person | undefined;
  get(idOrName: string): Person;
  staff(name: string, role: StaffRole): Staff;
  visitor(name: string): Visitor;
  change(id: string, fields: Partial<Staff> & Partial<Visitor>): Person;
  allStaff(): Staff[];
  allVisitors(): Visitor[];
}

export function createPeople({ now }: Timers, newId: () => string): People {
  const organisationId = newId();
  const people = new Map<string, Person>();
  const find = (idOrName: string) =>
    people.get(idOrName) ?? [...people.values()].find((one) => nameOf(one) === idOrName);
  const get = (idOrName: string) => {
    const found = find(idOrName);
    if (!found) throw new Error(`The fake server knows nobody with the id or name ${idOrName}`);
    return found;
  };
  const base = () => ({ id: newId(), disabled: false, created_at: now(), updated_at: null });

  return {
    find,
    get,
    staff(name, role) {
      const known = find(name);
      if (known?.kind === "visitor") throw new Error(`${name} is a visitor`);
      if (known) return known.user;
      const { id, ...times } = base();
      const user: Staff = {
        ...{ id, full_name: name, display_name: null, email: `${id}@fake.example`, role_id: roleIds[role] },
        ...{ organisation_id: organisationId, ...times },
      };
      people.set(id, { kind: "staff", user });
      return user;
    },
    visitor(name) {
      const known = find(name);
      if (known?.kind === "staff") throw new Error(`${name} is a staff member`);
      if (known) return known.user;
      const { id, ...times } = base();
      const user: Visitor = { id, name, email: null, is_anonymous: true, ...times };
      people.set(id, { kind: "visitor", user });
      return user;
    },
    change(id, fields) {
      const { kind, user } = get(id);
      const changed = { kind, user: { ...user, ...fields, updated_at: now() } } as Person;
      people.set(user.id, changed);
      return changed;
    },
    allStaff: () => [...people.values()].flatMap((one) => (one.kind === "staff" ? one.user : [])),
    allVisitors: () => [...people.values()].flatMap((one) => (one.kind === "visitor" ? one.user : [])),
  };
}

const nameOf = (person: Person) => (person.kind === "staff" ? person.user.full_name : person.user.name);

import type { StaffClient, VisitorClient } from "../../sdk/src/index.ts";
import { ChatError } from "../../sdk/src/index.ts";
import type { ChatMessage } from "../../src/contract/models.ts";
import type { Answer } from "./device.ts";
import { type LibraryDevice, openLibraryDevice } from "./library-device.ts";
import type { Person, PersonOptions } from "./person.ts";

type Content = { text: string };
type Visitor = VisitorClient<Content>;
type Staff = StaffClient<Content>;

const RETRY_MS = 300;

/** A person who uses the client library: it sends again by itself, so a deed is asked for once. */
export function openLibraryPerson(options: PersonOptions): Person {
  const { account, random, devices: count, graceMs, isStaff, ...shared } = options;
  const devices = Array.from({ length: count }, (_, n) =>
    openLibraryDevice({
      ...{ ...shared, isStaff, client: `${account.name}/${n + 1}`, user: account.id, token: account.token },
      transports: random.chance(0.12) ? ["polling"] : ["polling", "websocket"],
    }),
  );
  let pending = 0;
  let written = 0;
  const hasEnded = () => devices.every((device) => device.hasEnded());
  const pick = async (): Promise<LibraryDevice> => {
    const present = devices.filter((device) => !device.hasEnded());
    const open = present.filter((device) => device.isOpen());
    if (open.length > 0) return random.pick(open);
    await Promise.race(present.map((device) => device.opened()));
    return random.pick(present);
  };

  /** Null when the person leaves before the answer. */
  async function insist<T>(deed: (device: LibraryDevice) => Promise<T>): Promise<T | ChatError | null> {
    pending++;
    try {
      while (!hasEnded()) {
        const device = await pick();
        try {
          return await deed(device);
        } catch (error) {
          if (!(error instanceof ChatError)) throw error;
          // A page that was loaded again has stopped its client.
          if (!error.retryable && error.code !== "closed") return error;
        }
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
      return null;
    } finally {
      pending--;
    }
  }

  return {
    ...{ account, devices, random, hasEnded },
    pending: () => pending,
    isOpen: () => devices.some((device) => device.isOpen()),
    async insist(event, [data]) {
      const { room, severity_level: severity = 0 } = (data ?? {}) as { room: string; severity_level?: number };
      const deeds: Record<string, (client: Visitor & Staff) => Promise<unknown>> = {
        staff_join: (client) => client.claim(room),
        take_over_chat: (client) => client.takeOver(room),
        staff_leave_room: (client) => client.close(room),
        change_chat_priority: (client) => client.flag(room, severity),
        visitor_leave_room: (client) => client.leave(),
      };
      const outcome = await insist(async (device) => {
        await deeds[event]?.(device.client() as Visitor & Staff);
        return true as const;
      });
      if (outcome === null) return null;
      const answer: Answer = outcome === true ? { ok: true, why: null } : { ok: false, why: outcome.text };
      return answer;
    },
    async write(event, argsOf) {
      const content = { text: `${account.name} says ${++written}` };
      const [data] = argsOf(content, "") as [{ room: string }];
      const ifClosed = event === "visitor_first_msg" ? "open" : "fail";
      const outcome = await insist(async (device) => {
        const client = device.client() as Visitor & Staff;
        const sending = isStaff ? client.send(data.room, content) : (client as Visitor).send(content, { ifClosed });
        const message = await Promise.race([sending, ended(device)]);
        if (message === null) throw new ChatError("closed", "The page was left", false);
        return { id: message.id, chat_id: message.chatId, sequence_num: message.seq } as unknown as ChatMessage;
      });
      return outcome instanceof ChatError ? outcome.text : outcome;
    },
    fidget() {
      const device = random.pick(devices);
      if (random.chance(0.01)) device.reload(random.int(50, Math.floor(graceMs / 3)));
    },
  };
}

/** Resolves when another client has taken the place of the device's client: a message of the former one has no answer here. */
async function ended(device: LibraryDevice): Promise<null> {
  const client = device.client();
  while (!device.hasEnded() && device.client() === client)
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  return null;
}

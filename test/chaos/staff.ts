import { setTimeout as delay } from "node:timers/promises";
import { refusals } from "../../src/contract/errors.ts";
import type { Network } from "./device.ts";
import { type Account, openPerson, type Person } from "./person.ts";
import type { Random } from "./random.ts";
import type { Writer } from "./visitor.ts";

export type StaffOptions = {
  account: Account & { role: 1 | 2 | 3 };
  random: Random;
  network: Network;
  graceMs: number;
  devices: number;
  /** How many chats they serve at once. */
  capacity: number;
  writers: Set<Writer>;
  isOver: () => boolean;
};

type AnyPayload = {
  user?: { id: string };
  room?: { id: string } | string;
  unclaimed_chats?: { room: { id: string } }[];
  active_chats?: { room: { id: string } }[];
};

const SEEN = 40;
const leaves = new Set(["visitor_leave", "staff_leave", "staff_being_taken_over_chat"]);

/** Works until it is over: claims chats against rivals, writes, leaves, flags, takes over, goes away and comes back. */
export function work(options: StaffOptions): Person {
  const { account, random, network, graceMs, capacity, writers, isOver } = options;
  const serving = new Set<string>();
  const queue = new Set<string>();
  const isMonitor = account.role < 3;
  /** The chats of the last events, open or closed. */
  const seen = new Set<string>();
  /** The chats that one of their devices tries to claim: all devices receive the same. */
  const tried = new Set<string>();

  function onEvent(event: string, { user, room, unclaimed_chats, active_chats }: AnyPayload): void {
    const chat = (typeof room === "object" ? room.id : room) ?? "";
    if (chat) see(chat);
    if (unclaimed_chats && active_chats) {
      replace(queue, unclaimed_chats);
      replace(serving, active_chats);
    } else if (event === "append_unclaimed_chats") {
      queue.add(chat);
      if (random.chance(isMonitor ? 0.05 : 0.5)) void after(random.int(0, 150), () => claim(chat));
      if (random.chance(0.03)) void after(random.int(0, 100), () => flag(chat));
    } else if (event === "staff_claim_chat" || event === "visitor_leave_queue") queue.delete(chat);
    else if (event === "visitor_send") serving.add(chat);
    else if (leaves.has(event)) serving.delete(chat);
    else if (event === "staff_take_over_chat" && user?.id === account.id) serving.add(chat);
    else if (event === "agent_new_chat" && random.chance(0.08))
      void after(random.int(500, 4_000), () => change("take_over_chat", chat));
  }

  async function change(event: string, chat: string, data: object = {}): Promise<boolean> {
    const answer = await staff.insist(event, [{ room: chat, ...data }], { chat });
    if (event !== "staff_leave_room") return answer?.ok ?? false;
    serving.delete(chat);
    return true;
  }
  function see(chat: string): void {
    seen.delete(chat);
    seen.add(chat);
    if (seen.size > SEEN) for (const oldest of [...seen].slice(0, seen.size - SEEN)) seen.delete(oldest);
  }
  /** Most severities occur once, so that the checker knows an event's flag. Some take the flag away. */
  async function flag(chat: string): Promise<void> {
    const severity = random.chance(0.3) ? 0 : random.int(1, 32_767);
    const data = { room: chat, severity_level: severity };
    await staff.insist("change_chat_priority", [data], { chat, severity });
  }
  async function claim(chat: string): Promise<void> {
    if (serving.size >= capacity || !queue.has(chat) || tried.has(chat)) return;
    tried.add(chat);
    if (await change("staff_join", chat)) serving.add(chat);
    tried.delete(chat);
    queue.delete(chat);
  }
  async function after(ms: number, what: () => Promise<unknown>): Promise<void> {
    await delay(ms);
    if (!isOver()) await what();
  }

  async function write(): Promise<void> {
    const chat = random.pick([...serving]);
    staff.fidget();
    if (random.chance(0.004)) return void change("staff_leave_room", chat);
    if (random.chance(0.02)) void flag(chat);
    const outcome = await staff.write("staff_msg", (content, id) => [{ room: chat, content, id }]);
    if (outcome === refusals.roomClosed.sentence || outcome === refusals.notServing.sentence) serving.delete(chat);
  }

  /** Nobody need be quick: what is left in the queue is claimed in the end. */
  async function clearQueue(): Promise<void> {
    for (; !isOver(); await delay(random.int(500, 1_500))) {
      const [oldest] = queue;
      if (oldest && !isMonitor && staff.isOpen()) await claim(oldest);
    }
  }
  /** Now and then a staff member leaves, by choice or not, for longer than the grace period. */
  async function comeAndGo(): Promise<void> {
    for (await delay(random.int(5_000, 60_000)); !isOver(); await delay(random.int(20_000, 90_000))) {
      const byChoice = random.chance(0.5);
      for (const device of staff.devices) byChoice ? device.leave() : device.vanish();
      await delay(graceMs + random.int(3_000, 14_000));
      if (!isOver()) for (const device of staff.devices) device.comeBack();
    }
  }

  /** A monitor looks after all chats, closed ones as well, and reloads more often than others. */
  async function supervise(): Promise<void> {
    for (; !isOver(); await delay(random.int(300, 1_500))) {
      if (seen.size > 0 && staff.isOpen() && staff.pending() < 3) void flag(random.pick([...seen]));
      for (let n = 0; n < 3; n++) staff.fidget();
    }
  }

  const staff = openPerson({ account, random, devices: options.devices, network, graceMs, onEvent, isStaff: true });
  writers.add({
    canWrite: () => serving.size > 0 && staff.isOpen() && staff.pending() < 6,
    write: () => void write(),
  });
  void clearQueue();
  if (isMonitor) void supervise();
  else void comeAndGo();
  return staff;
}

function replace(chats: Set<string>, by: { room: { id: string } }[]): void {
  chats.clear();
  for (const { room } of by) chats.add(room.id);
}

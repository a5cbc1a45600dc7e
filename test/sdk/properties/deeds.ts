import * as fc from "fast-check";
import type { Cast, Machines, StaffDevice, VisitorDevice } from "./cast.ts";

/** One step of a program. Its text is what a counterexample shows. */
export type Step =
  | { do: "send"; visitor: number; ifClosed: "open" | "fail" }
  | { do: "discard" | "retry" | "crash" | "stop" | "start"; device: number }
  | { do: "visitorLeaves" | "visitorOlder" | "visitorTalks"; visitor: number }
  | { do: "claim" | "write" | "close" | "takeOver" | "staffOlder"; staff: number; chat: number }
  | { do: "ghostClaims" | "ghostWrites" | "ghostTalks" | "ghostCloses" | "ghostTakesOver"; chat: number }
  | { do: "flag"; staff: number; chat: number; level: number };

const visitor = fc.nat({ max: 2 });
const staff = fc.nat({ max: 3 });
const chat = fc.nat({ max: 2 });
const device = fc.nat({ max: 6 });
const step = <T extends string>(...deeds: [T, ...T[]]) => ({ do: fc.constantFrom(...deeds) });

/** The deeds of people. */
export const deeds: fc.WeightedArbitrary<Step>[] = [
  {
    weight: 8,
    arbitrary: fc.record({ ...step("send"), visitor, ifClosed: fc.constantFrom("open", "open", "open", "fail") }),
  },
  { weight: 2, arbitrary: fc.record({ ...step("visitorLeaves", "visitorOlder", "visitorTalks"), visitor }) },
  { weight: 5, arbitrary: fc.record({ ...step("claim"), staff, chat }) },
  { weight: 7, arbitrary: fc.record({ ...step("write"), staff, chat }) },
  { weight: 4, arbitrary: fc.record({ ...step("close", "takeOver", "staffOlder"), staff, chat }) },
  {
    weight: 8,
    arbitrary: fc.record({
      ...step("ghostClaims", "ghostWrites", "ghostTalks", "ghostCloses", "ghostTakesOver"),
      chat,
    }),
  },
  { weight: 1, arbitrary: fc.record({ ...step("flag"), staff, chat, level: fc.nat({ max: 2 }) }) },
  { weight: 3, arbitrary: fc.record({ ...step("discard", "retry", "crash", "stop", "start"), device }) },
] as fc.WeightedArbitrary<Step>[];

const quiet = (promise: PromiseLike<unknown>) =>
  void promise.then(
    () => {},
    () => {},
  );
const pick = <T>(list: readonly T[], index: number): T | undefined => list[index % Math.max(list.length, 1)];

/** Does one step, as far as the screens of the moment allow it. */
export function perform(cast: Machines & { server?: Cast["server"] }, step: Step): void {
  if ("visitor" in step) performAsVisitor(cast, step, cast.visitors[step.visitor] as VisitorDevice);
  else if ("staff" in step) performAsStaff(cast, step, cast.staff[step.staff] as StaffDevice);
  else if ("device" in step) performOnDevice(cast, step);
  else if (cast.server) performAsGhost({ ...cast, server: cast.server }, step);
}

/** Staff who have no client in the test, and so see the truth. */
function performAsGhost({ server, newText }: Cast, { do: deed, chat: index }: { do: string; chat: number }): void {
  const ghosts = ["Gus", "Gil", "Gwen"];
  const served = server
    .chats()
    .filter(({ status, staff }) => status === "claimed" && ghosts.includes(staff?.full_name ?? ""));
  if (deed === "ghostClaims") {
    const waiting = server.chats().filter(({ status }) => status === "unclaimed");
    const chat = pick(waiting, index);
    if (chat) server.as("Gus").claim(chat.id);
    return;
  }
  const chat = pick(served, index);
  if (!chat) return;
  const name = chat.staff?.full_name as string;
  const higher = ghosts[ghosts.indexOf(name) + 1];
  // More messages than a snapshot has.
  const count = deed === "ghostTalks" ? 6 : 1;
  if (deed === "ghostTalks" || deed === "ghostWrites")
    for (let n = 0; n < count; n++) server.as(name).write(chat.id, { content: newText({ name }) });
  else if (deed === "ghostCloses") server.as(name).leave(chat.id);
  else if (higher) server.as(higher).takeOver(chat.id);
}

function performAsVisitor(cast: Machines, step: Extract<Step, { visitor: number }>, device: VisitorDevice): void {
  const { client } = device;
  if (step.do === "send") {
    const text = cast.newText(device);
    device.note(text, null, client.send({ content: text }, { ifClosed: step.ifClosed }));
  } else if (step.do === "visitorTalks") {
    for (let n = 0; n < 6; n++) performAsVisitor(cast, { do: "send", visitor: step.visitor, ifClosed: "open" }, device);
  } else if (step.do === "visitorLeaves") quiet(client.leave());
  else quiet(client.loadOlder());
}

function performAsStaff(cast: Machines, step: Extract<Step, { staff: number }>, device: StaffDevice): void {
  const { client } = device;
  const { queue, mine, watched } = client.getSnapshot();
  const others = Array.isArray(watched) ? watched : [];
  const from = { claim: queue, write: mine, close: mine, staffOlder: mine, takeOver: others };
  const chat = pick(step.do === "flag" ? [...queue, ...mine, ...others] : from[step.do], step.chat);
  if (!chat) return;
  if (step.do === "claim") quiet(client.claim(chat.id));
  else if (step.do === "close") quiet(client.close(chat.id));
  else if (step.do === "takeOver") quiet(client.takeOver(chat.id));
  else if (step.do === "staffOlder") quiet(client.loadOlder(chat.id));
  else if (step.do === "flag") quiet(client.flag(chat.id, step.level));
  else {
    const text = cast.newText(device);
    device.note(text, chat.id, client.send(chat.id, { content: text }));
  }
}

function performOnDevice(cast: Machines, step: Extract<Step, { device: number }>): void {
  const device = cast.all[step.device] as VisitorDevice | StaffDevice;
  const last = device.sent.at(-1);
  if (step.do === "crash") device.crash();
  else if (step.do === "stop") {
    quiet(device.client.stop());
    device.isRunning = false;
  } else if (step.do === "start") {
    device.client.start();
    device.isRunning = true;
  } else if (last?.sending && step.do === "retry") last.sending.retry();
  else if (last?.sending) {
    const { sending } = last;
    quiet(
      sending.discard().then(() => {
        last.isDiscarded = true;
      }),
    );
  }
}

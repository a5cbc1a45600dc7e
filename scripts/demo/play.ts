// The conversation itself, act by act.
import { setTimeout as delay } from "node:timers/promises";
import type { ChatMessage } from "../../src/contract/models.ts";
import { demoPassword, demoStaff, demoVisitor } from "../../src/identity/demo.ts";
import {
  type Agent,
  type Customer,
  count,
  createAgent,
  createCustomer,
  DemoError,
  logIn,
  type Options,
} from "./person.ts";
import { type Look, printAct, printAside, printMessage } from "./print.ts";

type Cast = { vera: Customer; sam: Agent; alex: Agent; robin: Agent };
/** The chat, once it is claimed. */
type Claimed = Cast & { room: string; winner: Agent };

const pause = () => delay(500);
const text = (content: string) => ({ content });

/** @param people filled with everybody who is online, so that the caller can stop them */
export async function play(url: string, people: (Customer | Agent)[]): Promise<void> {
  console.log(`A conversation on ${url}, as each of four people sees it.`);
  const cast = await logEverybodyIn(url, people);
  await visitorConnects(cast);
  await staffConnect(cast);
  const room = await visitorWrites(cast);
  const winner = await agentsRace(cast, room);
  const claimed = { ...cast, room, winner };
  await talk(claimed);
  await resend(claimed);
  await breakConnection(claimed);
  await stepIn(claimed);
  await visitorLeaves(claimed);
  await lookBack(url, claimed);
}

async function logEverybodyIn(url: string, people: (Customer | Agent)[]): Promise<Cast> {
  const ours = new Set<string>();
  // An event of a chat belongs to the demo by its visitor, an online or offline event by its user.
  const isOurs = (payload: unknown) => {
    const { user, visitor } = payload as { user: { id: string }; visitor?: { id: string } };
    return ours.has((visitor ?? user).id);
  };
  const logInAs = async <P extends Customer | Agent>(create: (options: Options) => P, email: string, look: Look) => {
    const path = look.role === "visitor" ? "/visitor/login" : "/login";
    const account = await logIn(url, path, email, demoPassword);
    ours.add(account.id);
    const person = create({ url, look, account, isOurs });
    people.push(person);
    return person;
  };
  const [, sam, alex, robin] = demoStaff;
  return {
    vera: await logInAs(createCustomer, demoVisitor.email, { name: "Vera", role: "visitor", colour: "magenta" }),
    sam: await logInAs(createAgent, sam.email, { name: "Sam", role: "supervisor", colour: "yellow" }),
    alex: await logInAs(createAgent, alex.email, { name: "Alex", role: "agent", colour: "cyan" }),
    robin: await logInAs(createAgent, robin.email, { name: "Robin", role: "agent", colour: "green" }),
  };
}

async function visitorConnects({ vera }: Cast): Promise<void> {
  printAct("A visitor opens the chat window", "Vera connects with an access token, and receives a snapshot.");
  await vera.enter();
  const { phase } = vera.client.getSnapshot();
  if (phase === "queued" || phase === "served") {
    printAside("Vera still has a chat from before, and leaves it first.");
    await vera.client.leave();
  }
  await pause();
}

async function staffConnect({ sam, alex, robin }: Cast): Promise<void> {
  printAct("The staff come to work", "Each starts from a snapshot. Staff who are online see who comes.");
  await sam.enter();
  const { staffOnline } = sam.client.getSnapshot();
  // After an interrupted demo an agent may still count as online: then nobody receives an event.
  const isNew = (agent: Agent) => !staffOnline.some(({ id }) => id === agent.id);
  await pause();
  await alex.enter();
  if (isNew(alex)) await sam.receives("staff_goes_online");
  await pause();
  await robin.enter();
  if (isNew(robin)) await Promise.all([sam, alex].map((one) => one.receives("staff_goes_online")));
  await pause();
}

/** @returns the id of the chat that the visitor opens */
async function visitorWrites({ vera, sam, alex, robin }: Cast): Promise<string> {
  printAct("The visitor writes, and waits", "The first message opens a chat. It is queued, and all staff see it.");
  await vera.client.send(text("Hello! Where is my parcel?"));
  const [{ room }] = await Promise.all([
    sam.receives("append_unclaimed_chats"),
    alex.receives("append_unclaimed_chats"),
    robin.receives("append_unclaimed_chats"),
  ]);
  await pause();
  await vera.client.send(text("It's order 4711."));
  await Promise.all([sam, alex, robin].map((one) => one.receives("visitor_unclaimed_msg")));
  await pause();
  return room.id;
}

/** @returns the agent who serves the chat now */
async function agentsRace({ vera, sam, alex, robin }: Cast, room: string): Promise<Agent> {
  printAct("Two agents reach for it at once", "The database decides. One wins, the other gets the reason.");
  const [first, second] = Math.random() < 0.5 ? ([alex, robin] as const) : ([robin, alex] as const);
  const verdicts = await Promise.allSettled([first, second].map(({ client }) => client.claim(room)));
  const [hasWon, hasWonToo] = verdicts.map(({ status }) => status === "fulfilled");
  if (hasWon === hasWonToo) throw new DemoError("One of the two should have won. Is somebody using the demo accounts?");
  const [winner, loser] = hasWon ? [first, second] : [second, first];
  await Promise.all([
    vera.receives("staff_join_room"),
    loser.receives("staff_claim_chat"),
    sam.receives("staff_claim_chat"),
    sam.receives("agent_new_chat"),
  ]);
  await pause();
  return winner;
}

async function talk({ vera, sam, winner, room }: Claimed): Promise<void> {
  printAct(
    "They talk",
    "Each receives the other's messages, and the supervisor receives both. The other agent receives nothing.",
  );
  await winner.client.send(room, text(`Hi Vera, ${winner.name} here. I'll look.`));
  await Promise.all([vera.receives("staff_send"), sam.receives("new_staff_msg_for_supervisor")]);
  await pause();
  await vera.client.send(text("Thank you!"));
  await Promise.all([winner.receives("visitor_send"), sam.receives("new_visitor_msg_for_supervisor")]);
  await pause();
}

async function resend({ vera, sam, winner, room }: Claimed): Promise<void> {
  printAct(
    "An ack gets lost",
    "The library sends the message again, with the same id. It is stored once, and delivered once.",
  );
  winner.loseAck();
  await winner.client.send(room, text("It left us on Monday."));
  await Promise.all([vera.receives("staff_send"), sam.receives("new_staff_msg_for_supervisor")]);
  await pause();
}

async function breakConnection({ vera, sam, winner, room }: Claimed): Promise<void> {
  printAct(
    "The visitor's connection breaks",
    "Vera is back in time, so nobody notices. The new snapshot has the missed message.",
  );
  vera.loseConnection();
  printAside("Vera is in a tunnel.");
  await winner.client.send(room, text("You should have it tomorrow."));
  await sam.receives("new_staff_msg_for_supervisor");
  const now = await vera.receives("visitor_init");
  if (!now.room)
    throw new DemoError("Vera's chat was closed meanwhile: the demo needs a RECONNECT_GRACE_MS of some seconds.");
  await pause();
}

async function stepIn({ vera, sam, winner, room }: Claimed): Promise<void> {
  printAct("The supervisor steps in", "The agent flags the chat. The supervisor takes it over, and serves it now.");
  await winner.client.flag(room, 2);
  await sam.receives("chat_has_changed_priority_for_supervisor");
  await pause();
  await sam.client.takeOver(room);
  await Promise.all([winner, vera].map((one) => one.receives("staff_being_taken_over_chat")));
  await pause();
  await winner.client.send(room, text("One more thing …")).then(undefined, () => {});
  await pause();
  await sam.client.send(room, text("Sam here: it comes today."));
  await vera.receives("staff_send");
  await pause();
  await vera.client.send(text("Wonderful, bye!"));
  await sam.receives("visitor_send");
  await pause();
}

async function visitorLeaves({ vera, sam }: Claimed): Promise<void> {
  printAct("The visitor leaves", "That closes the chat. Nobody is disconnected.");
  await vera.client.leave();
  await sam.receives("visitor_leave");
  await pause();
}

async function lookBack(url: string, { sam, room, ...others }: Claimed): Promise<void> {
  printAct("What is kept", `GET /chats/${room}/messages`);
  const messages = await readMessages(url, room, sam.token);
  const staff = [sam, others.alex, others.robin];
  for (const one of messages) printMessage(one, staff.find(({ id }) => id === one.sender)?.name ?? "Vera");
  if (messages.some(({ sequence_num }, index) => sequence_num !== index + 1)) {
    throw new DemoError("The numbers have a gap, which should never be.");
  }
  console.log(`
${count.sent} events sent, ${count.received} received, ${messages.length} messages kept, numbered from 1 without a gap.

What to try next:
  ${url}/docs            the HTTP calls, to try in the browser
  ${url}/asyncapi.json   every socket event with its schema
  sdk/README.md   the client library, which these four people use
  npm test    the same and much more, on one process and on two`);
}

async function readMessages(url: string, room: string, token: string): Promise<ChatMessage[]> {
  const answer = await fetch(`${url}/chats/${room}/messages?limit=100`, { headers: { Authorization: token } });
  if (!answer.ok) throw new DemoError(`Reading the messages failed with ${answer.status}: ${await answer.text()}`);
  return ((await answer.json()) as { data: ChatMessage[] }).data;
}

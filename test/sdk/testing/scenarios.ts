import { chatIdOf, newMessageId, type Player, type Scenario, type Stage } from "./stage.ts";

const text = (content: string) => ({ content });
const say = (player: Player, content: string, id = newMessageId()) =>
  player.send("visitor_first_msg", text(content), { id });
const write = (player: Player, room: string, content: string, id = newMessageId()) =>
  player.send("staff_msg", { room, content: text(content), id });

/** All staff, and a visitor with a queued chat. */
async function queued(stage: Stage) {
  const admin = await stage.enter("admin");
  const supervisor = await stage.enter("supervisor");
  const agent = await stage.enter("agent");
  const otherAgent = await stage.enter("otherAgent");
  const visitor = await stage.enter("visitor");
  const chat = chatIdOf(await say(visitor, "Hello?"));
  await stage.settle();
  return { admin, supervisor, agent, otherAgent, visitor, chat };
}

/** Each is played on the fake server and on real pods. Both must write the same transcript. */
export const scenarios: Scenario[] = [
  {
    title: "a chat from its first message until the agent leaves",
    async play(stage) {
      const { agent, visitor, chat } = await queued(stage);
      const tab = await stage.enter("visitor", "visitor's tab");
      await visitor.send("visitor_msg_unclaimed", text("Anybody there?"), { id: newMessageId() });
      await stage.settle();
      await agent.send("staff_join", { room: chat });
      await stage.settle();
      await write(agent, chat, "Hello!");
      await stage.settle();
      await visitor.send("visitor_msg", text("My parcel is lost."), { id: newMessageId() });
      await tab.send("visitor_msg", text("It was a gift."), { id: newMessageId() });
      await stage.settle();
      await agent.send("staff_leave_room", { room: chat });
      await stage.settle();
      await say(visitor, "One more thing");
      await stage.settle();
      await visitor.get(`/chats/${chat}/messages?limit=3`);
      await agent.get("/chats");
    },
  },
  {
    title: "one winner of a claim, and what the others get",
    async play(stage) {
      const { agent, otherAgent, supervisor, visitor, chat } = await queued(stage);
      await agent.send("staff_join", { room: chat });
      await otherAgent.send("staff_join", { room: chat });
      await agent.send("staff_join", { room: chat });
      await supervisor.send("staff_join", { room: chat });
      await write(otherAgent, chat, "Me, too");
      await otherAgent.send("staff_leave_room", { room: chat });
      await visitor.send("staff_join", { room: chat });
      await agent.send("visitor_leave_room");
      await stage.settle();
    },
  },
  {
    title: "take-overs up to the admin, and their refusals",
    async play(stage) {
      const { admin, supervisor, agent, otherAgent, visitor, chat } = await queued(stage);
      const otherSupervisor = await stage.enter("otherSupervisor");
      await supervisor.send("take_over_chat", { room: chat });
      await agent.send("staff_join", { room: chat });
      await stage.settle();
      await otherAgent.send("take_over_chat", { room: chat });
      await supervisor.send("take_over_chat", { room: chat });
      await stage.settle();
      await supervisor.send("take_over_chat", { room: chat });
      await otherSupervisor.send("take_over_chat", { room: chat });
      await write(agent, chat, "Still here");
      await write(supervisor, chat, "I am Sue.");
      await stage.settle();
      await admin.send("take_over_chat", { room: chat });
      await stage.settle();
      await visitor.send("visitor_msg", text("So many people"), { id: newMessageId() });
      await stage.settle();
      await admin.send("staff_leave_room", { room: chat });
      await stage.settle();
      await admin.send("staff_leave_room", { room: chat });
      await supervisor.send("staff_leave_room", { room: chat });
      await supervisor.send("take_over_chat", { room: chat });
    },
  },
  {
    title: "messages that are sent again",
    async play(stage) {
      const { agent, visitor, chat } = await queued(stage);
      const id = newMessageId();
      await say(visitor, "Once", id);
      await say(visitor, "Once", id.replaceAll("-", "").toUpperCase());
      await agent.send("staff_join", { room: chat });
      const own = newMessageId();
      await write(agent, chat, "Mine", own);
      await write(agent, chat, "Mine", own);
      await stage.settle();
      await visitor.send("visitor_leave_room");
      await say(visitor, "Once", id);
      await write(agent, chat, "Mine", own);
      const next = chatIdOf(await say(visitor, "New"));
      await agent.send("staff_join", { room: next });
      await write(agent, next, "Mine", own);
      await visitor.send("visitor_leave_room");
      await visitor.send("visitor_leave_room");
      await stage.settle();
      await visitor.send("visitor_msg", text("Too late"), { id: newMessageId() });
    },
  },
  {
    title: "flags",
    async play(stage) {
      const { supervisor, agent, visitor, chat } = await queued(stage);
      await agent.send("change_chat_priority", { room: chat, severity_level: 3 });
      await stage.settle();
      await agent.send("staff_join", { room: chat });
      await stage.settle();
      await stage.enter("visitor", "visitor's tab");
      await stage.enter("otherSupervisor");
      await visitor.get("/chats");
      await supervisor.send("change_chat_priority", { room: chat });
      await supervisor.send("change_chat_priority", { room: chat, severity_level: -1 });
      await supervisor.send("change_chat_priority", { room: newMessageId().replaceAll("-", "") });
      await stage.settle();
    },
  },
  {
    title: "snapshots of everybody in the middle of it",
    async play(stage) {
      const { agent, visitor, chat } = await queued(stage);
      const other = await stage.enter("otherVisitor");
      await say(other, "I wait");
      await say(other, "and wait");
      await agent.send("staff_join", { room: chat });
      await write(agent, chat, "Hello!");
      await visitor.send("visitor_msg", text("Hi"), { id: newMessageId() });
      await stage.settle();
      for (const person of ["agent", "otherAgent", "supervisor", "visitor", "otherVisitor"] as const)
        await stage.enter(person, `${person}'s tab`);
    },
  },
  {
    title: "leaving by choice, and losing the connection for longer than the grace period",
    async play(stage) {
      const { agent, otherAgent, visitor, chat } = await queued(stage);
      await agent.send("staff_join", { room: chat });
      await stage.settle();
      await visitor.lose();
      const back = await stage.enter("visitor", "the visitor who is back");
      await back.lose();
      await stage.wait(stage.graceMs + 2_500);
      await stage.settle();
      const again = await stage.enter("visitor", "the visitor for the second time");
      const next = chatIdOf(await say(again, "Me again"));
      await otherAgent.send("staff_join", { room: next });
      await stage.settle();
      await otherAgent.leave();
      await stage.wait(200);
      await stage.settle();
      await again.get(`/chats/${next}/messages`);
    },
  },
  {
    title: "calls of people about themselves, and of what isn't there",
    async play(stage) {
      const agent = await stage.enter("agent");
      const visitor = await stage.enter("visitor");
      for (const player of [agent, visitor]) {
        if (stage.protocol === 2) await player.get("/me");
        await player.get("/nothing");
        await player.get("/chats?limit=0");
        await player.get("/chats?status=nonsense");
        await player.get("/chats?after_id=nonsense");
        await player.get(`/chats/${newMessageId().replaceAll("-", "")}/messages?before=nonsense`);
        await player.get(`/chats/${newMessageId().replaceAll("-", "")}/messages`);
      }
    },
  },
  {
    title: "pages of messages and of chats",
    async play(stage) {
      const agent = await stage.enter("agent");
      const visitor = await stage.enter("visitor");
      const chats: string[] = [];
      for (let n = 0; n < 5; n++) {
        chats.push(chatIdOf(await say(visitor, `chat ${n}`)));
        for (let m = 0; m < n; m++) await say(visitor, `message ${m}`);
        if (n < 4) await visitor.send("visitor_leave_room");
      }
      const [first, last] = [chats[0], chats[4]];
      await agent.get(`/chats/${last}/messages?limit=2`);
      await agent.get(`/chats/${last}/messages?before=4&limit=2`);
      await agent.get(`/chats/${last}/messages?before=3&limit=2`);
      await agent.get(`/chats/${last}/messages?after=1&before=5&limit=2`);
      await agent.get(`/chats/${last}/messages?after=3`);
      await agent.get("/chats?limit=2");
      await agent.get(`/chats?limit=2&after_id=${first}`);
      await agent.get("/chats?status=unclaimed,closed&limit=100");
      await visitor.get(`/chats?status=closed&limit=3`);
      const other = await stage.enter("otherVisitor");
      await other.get("/chats");
      await other.get(`/chats/${first}/messages`);
      await other.get("/chats/nonsense/messages");
      if (stage.protocol === 2) {
        await agent.get("/chats?status=unclaimed,closed&order=oldest&limit=2");
        await agent.get(`/chats?order=oldest&limit=2&after_id=${chats[1]}`);
      }
    },
  },
  {
    title: "refusals of what is wrong with an event",
    async play(stage) {
      const { supervisor, agent, visitor, chat } = await queued(stage);
      await agent.send("no such event");
      await agent.send("visitor_msg", text("x"));
      await visitor.send("staff_msg", { room: chat, content: text("x") });
      await agent.send("take_over_chat", { room: chat });
      await supervisor.send("staff_join");
      await supervisor.send("staff_join", { room: 5 });
      await supervisor.send("staff_join", { room: "nonsense" });
      await supervisor.send("staff_join", {});
      await supervisor.send("staff_msg", { room: chat, content: text("x") });
      await supervisor.send("staff_msg", { room: chat, content: {} });
      await supervisor.send("staff_msg", { room: chat, content: text("x"), id: "nonsense" });
      await visitor.send("visitor_msg", "text");
      await visitor.send("visitor_msg", {});
      await visitor.send("visitor_msg", []);
      await visitor.send("visitor_msg", text("x"), "options");
      await visitor.send("visitor_msg", text("x"), { id: 7 });
      await visitor.send("visitor_msg", text("\ud800"));
      await visitor.send("visitor_msg", { number: 2 ** 60 });
      await visitor.send("visitor_msg", text("x".repeat(70_000)));
      await visitor.send("visitor_msg", { deep: JSON.parse("[".repeat(40) + "]".repeat(40)) });
      await visitor.send("visitor_msg", { file: new Uint8Array([1, 2]) });
      await visitor.send("visitor_msg", text("without an id"));
    },
  },
];

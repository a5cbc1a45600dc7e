// The packets of one event: what the second form costs, and that the first form stays as it was.
import { expect, test, vi } from "vitest";
import { mayDiffer, secondForms, toSecondForm } from "../../src/contract/second-form.ts";
import { createEncoder } from "../../src/delivery/encode.ts";
import { packetsOf } from "../../src/delivery/packets.ts";
import { packetOf } from "../../src/platform/engine/packet.ts";

const times = { created_at: 1, updated_at: null };
const user = {
  ...{ id: "s", full_name: "Alexandra", display_name: null, email: "a@shop.example", role_id: 3 },
  ...{ organisation_id: "o", disabled: false, ...times },
};
const room = { id: "r", visitor_id: "v", tags: ["a"], severity_level: 2, ...times };
const content = { role_id: 1, severity_level: 2, user: { role_id: 1 }, contents: [1] };
const message = { id: "m", sender: "s", content };
const payload = { user, room, content, message };
const seen = {
  user: { id: "s", display_name: "Alexandra", role_id: 3 },
  room: { id: "r", visitor_id: "v", ...times },
  ...{ content, message },
};
const textOf = (packet: { text(): string }) => packet.text();

test.each(["made here", "from the bus"])("the first form, %s, keeps its bytes, whatever else is made", (from) => {
  const json = JSON.stringify(payload);
  const given =
    from === "made here" ? { json, value: payload, encode: createEncoder() } : { json: Buffer.from(json) as Buffer };
  const packetFor = packetsOf("staff_send", given);
  const second = packetFor("visitor");
  expect(textOf(second)).toBe(`2["staff_send",${JSON.stringify(seen)}]`);
  expect(packetFor(null).frame).toEqual(packetOf("staff_send", json).frame);
  expect(packetFor("staff")).toBe(packetFor(null));
  expect(packetFor("visitor")).toBe(second);
});

test("without a connection of protocol 2 nothing is parsed, and nothing is encoded beside the first form", () => {
  const json = JSON.stringify(payload);
  const [parse, stringify] = [vi.spyOn(JSON, "parse"), vi.spyOn(JSON, "stringify")];
  const encode = vi.fn(createEncoder());
  const ways = [{ json, value: payload, encode }, { json: Buffer.from(json) as Buffer }];
  for (const way of ways) for (let n = 0; n < 10; n++) packetsOf("staff_send", way)(null);
  // Staff of protocol 2 get the bytes of the first form.
  for (const way of ways) packetsOf("staff_send", way)("staff");
  const calls = [parse, stringify, encode].map((one) => one.mock.calls.length);
  for (const one of [parse, stringify]) one.mockRestore();
  expect(calls).toEqual([0, 0, 0]);
});

test("ten visitors' connections of protocol 2 cost one more encoding, and one parsing where the event came by the bus", () => {
  const json = JSON.stringify(payload);
  const encode = vi.fn(createEncoder());
  const packetFor = packetsOf("staff_send", { json, value: payload, encode });
  for (let n = 0; n < 10; n++) packetFor("visitor");
  expect(encode).toHaveBeenCalledTimes(1);
  const parse = vi.spyOn(JSON, "parse");
  const fromBus = packetsOf("staff_send", { json: Buffer.from(json) as Buffer });
  for (let n = 0; n < 10; n++) fromBus("visitor");
  expect(parse).toHaveBeenCalledTimes(1);
  parse.mockRestore();
});

test("the same person and the same chat have the same projection, so that their JSON is made once", () => {
  const [one, other] = [toSecondForm(payload, "visitor"), toSecondForm({ ...payload, content: { n: 2 } }, "visitor")];
  expect((one as typeof payload).user).toBe((other as typeof payload).user);
  expect((one as typeof payload).room).toBe((other as typeof payload).room);
  expect((one as typeof payload).content).toBe(content);
});

test("a payload without anything to change is its own second form", () => {
  const plain = { user: { id: "v", name: "Vera" }, content, message };
  expect(toSecondForm(plain, "staff")).toBe(plain);
  expect(toSecondForm(plain, "visitor")).toBe(plain);
  expect(toSecondForm(payload, "staff")).toBe(payload);
});

test("only events with `contents` differ for staff; an event of a newer version goes to staff as it is", () => {
  const differing = Object.keys(secondForms).filter((event) => event !== "staff_init" && mayDiffer(event, "staff"));
  expect(differing).toEqual(["append_unclaimed_chats", "agent_new_chat"]);
  const given = { json: Buffer.from('{"a": 1}') as Buffer };
  expect(textOf(packetsOf("an_event_of_tomorrow", given)("staff"))).toBe('2["an_event_of_tomorrow",{"a": 1}]');
});

// Each rule for the library's screens: a right screen breaks none, and a wrong one is found.
import { expect, test } from "vitest";
import { check } from "./check.ts";
import type { ScreenChat } from "./ledger.ts";
import { added, rightLedger } from "./right-ledger.ts";

type Messages = ScreenChat["messages"];
const text = (number: number): Messages[number] => [number, `m${number}`, `{"text":"message ${number}"}`];
const all: Messages = [text(1), [2, "m2", '{"content":"join room"}'], text(3), text(4)];

/** Adds a device with the library to a user of the right ledger, and its screen at 14 s: the agent serves the chat. */
function findingsOf(user: string, chats: ScreenChat[], { unsent = 0, queueTotal = 0, at = 14_000 } = {}) {
  const connection = `${user}#9`;
  const place = { client: `${user}/9`, user, pod: "pod2", transports: "websocket", isLibrary: true };
  const arrived = added(
    500,
    { kind: "connected", connection, ...place },
    { kind: "snapshot", connection, chats: [], flagged: [], online: null },
  )(rightLedger());
  const { findings } = check(added(at, { kind: "screen", connection, chats, unsent, queueTotal })(arrived));
  return findings.filter(({ about }) => about.startsWith(connection)).map(({ what }) => what);
}
const chat = (as: ScreenChat["as"], messages = all): ScreenChat => ({ chat: "chat", as, messages });

test.each([
  ["visitor", [chat("open")]],
  ["agent", [chat("active")]],
  ["other", []],
  ["admin", [chat("watched", [text(3), text(4)])]],
  ["outsider", []],
])("the right screen of %s is right", (user, chats) => {
  expect(findingsOf(user, chats)).toEqual([]);
});

test("a change that has just been made may not be on the screen yet", () => {
  expect(findingsOf("supervisor", [chat("watched")], { at: 16_000 })).toEqual([]);
});

test.each<[string, string, ScreenChat[], string]>([
  ["an acked message is missing", "visitor", [chat("open", all.slice(0, 3))], "missing on a screen"],
  ["a message is missing in the middle", "agent", [chat("active", [text(1), text(4)])], "missing on a screen"],
  ["a chat is missing", "agent", [], "a chat in the wrong place"],
  ["a claimed chat is still in the queue", "other", [chat("queued")], "a chat in the wrong place"],
  ["somebody else's chat is watched by an agent", "other", [chat("watched")], "a chat in the wrong place"],
  [
    "a chat of another organisation",
    "outsider",
    [{ ...chat("queued"), chat: "none" }],
    "a screen shows a chat that isn't stored",
  ],
  ["an open chat is closed on the screen", "visitor", [chat("closed")], "a chat in the wrong place"],
  [
    "a message that isn't stored",
    "visitor",
    [chat("open", [...all, [5, "x", "{}"]])],
    "a screen shows a message that isn't stored",
  ],
  [
    "another content",
    "visitor",
    [chat("open", [...all.slice(0, 3), [4, "m4", "{}"]])],
    "a screen shows another content",
  ],
  ["a message twice", "visitor", [chat("open", [...all, text(4)])], "a screen shows a message out of order or twice"],
])("it finds that %s", (_, user, chats, what) => {
  expect(findingsOf(user, chats)).toContain(what);
});

test("it finds messages that are still unsent in the end", () => {
  expect(findingsOf("visitor", [], { at: 75_000, unsent: 1 })).toContain("left unsent");
});

import { expect, test } from "vitest";
import { type Program, run } from "./program.ts";

/** Programs that ended with a wrong screen, once or with a fault put into the library. */
const programs: Record<string, Program["steps"]> = {
  "A chat that another device opens while the visitor leaves stays open on the screen": [
    { do: "delay", what: "ack", ms: 1, who: null },
    { do: "visitorLeaves", visitor: 0 },
    { do: "send", visitor: 1, ifClosed: "open" },
    { do: "wait", ms: 0 },
  ],
  "A chat whose first message comes after its end isn't opened on the screen": [
    { do: "reorder", count: 2, who: "Vera" },
    { do: "send", visitor: 0, ifClosed: "open" },
    { do: "visitorLeaves", visitor: 0 },
    { do: "wait", ms: 1 },
  ],
  "A closed chat has the last words of an agent who wrote and left while the visitor's connection was away": [
    { do: "send", visitor: 0, ifClosed: "open" },
    { do: "wait", ms: 0 },
    { do: "away", ms: 3_000 },
    { do: "ghostClaims", chat: 0 },
    { do: "ghostWrites", chat: 0 },
    { do: "ghostCloses", chat: 0 },
  ],
  "A claim that the visitor receives after their leave shows who served the chat": [
    { do: "send", visitor: 0, ifClosed: "open" },
    { do: "wait", ms: 0 },
    { do: "lose", what: "event", who: null },
    { do: "visitorLeaves", visitor: 0 },
    { do: "ghostClaims", chat: 0 },
    { do: "wait", ms: 0 },
  ],
  "A chat that the visitor left isn't opened on the screen by the late answer to its first message": [
    { do: "send", visitor: 2, ifClosed: "open" },
    { do: "lose", what: "ack", who: null },
    { do: "visitorLeaves", visitor: 2 },
    { do: "wait", ms: 0 },
  ],
  "A message whose ack was lost isn't taken back when only its second attempt was refused": [
    { do: "send", visitor: 2, ifClosed: "open" },
    { do: "lose", what: "ack", who: null },
    { do: "wait", ms: 0 },
    { do: "refuse", what: "command", code: "tooFast", who: null },
    { do: "wait", ms: 6_000 },
    { do: "refuse", what: "command", code: "tooFast", who: null },
    { do: "discard", device: 2 },
    { do: "wait", ms: 0 },
  ],
  "A chat of another device whose first message comes after the visitor's leave is not shown as open": [
    { do: "delay", what: "event", ms: 400, who: "Vera" },
    { do: "send", visitor: 1, ifClosed: "open" },
    { do: "wait", ms: 0 },
    { do: "visitorLeaves", visitor: 0 },
    { do: "wait", ms: 1 },
  ],
  "A monitor sees who took a chat over, also when the event of the claim comes later": [
    { do: "send", visitor: 0, ifClosed: "open" },
    { do: "wait", ms: 0 },
    { do: "reorder", count: 3, who: "Sue" },
    { do: "ghostClaims", chat: 0 },
    { do: "ghostTakesOver", chat: 0 },
    { do: "wait", ms: 0 },
  ],
  "A visitor who missed more messages than a snapshot has sees no gap": [
    { do: "send", visitor: 0, ifClosed: "open" },
    { do: "wait", ms: 0 },
    { do: "ghostClaims", chat: 0 },
    { do: "wait", ms: 0 },
    { do: "away", ms: 1 },
    { do: "ghostTalks", chat: 0 },
  ],
  "A message that was sent without an answer survives the end of the process": [
    { do: "send", visitor: 2, ifClosed: "open" },
    { do: "lose", what: "command", who: null },
    { do: "wait", ms: 0 },
    { do: "crash", device: 2 },
    { do: "wait", ms: 0 },
  ],
  "Early messages of a chat aren't shown before a snapshot's when others may be missing between them": [
    { do: "lose", what: "event", who: "Aki" },
    { do: "visitorTalks", visitor: 0 },
    { do: "wait", ms: 0 },
    { do: "send", visitor: 0, ifClosed: "open" },
    { do: "disconnect", who: "Aki" },
    { do: "send", visitor: 0, ifClosed: "open" },
    { do: "wait", ms: 0 },
  ],
  "A lost event that comes after a snapshot leaves no gap between its message and the snapshot's": [
    { do: "lose", what: "event", who: "Aki" },
    { do: "visitorTalks", visitor: 0 },
    { do: "wait", ms: 0 },
    { do: "snapshots" },
    { do: "wait", ms: 0 },
  ],
  "Staff see a message that came before the event of its chat": [
    { do: "reorder", count: 2, who: "Aki" },
    { do: "send", visitor: 0, ifClosed: "open" },
    { do: "send", visitor: 0, ifClosed: "open" },
    { do: "wait", ms: 0 },
  ],
};

/** The same on a server that doesn't know protocol 2. */
const olderServer: Record<string, Program["steps"]> = {
  "A monitor who comes back within two seconds lists the claimed chats again": [
    { do: "send", visitor: 0, ifClosed: "open" },
    { do: "wait", ms: 0 },
    { do: "ghostClaims", chat: 0 },
    { do: "wait", ms: 0 },
    { do: "disconnectAll" },
  ],
};

test.each(Object.entries(programs))("%s", async (_title, steps) => {
  expect(await run({ seed: 0, protocol: 2, steps })).toEqual([]);
});

test.each(Object.entries(olderServer))("%s", async (_title, steps) => {
  expect(await run({ seed: 0, protocol: 1, steps })).toEqual([]);
});

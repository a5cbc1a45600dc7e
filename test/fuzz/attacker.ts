import { setTimeout as delay } from "node:timers/promises";
import { upgradeHeaders } from "../support/raw.ts";
import type { Attack, Caller, Step } from "./attacks.ts";
import { bytesOf, textFrame } from "./frames.ts";
import { type Line, openLine } from "./line.ts";

type Target = {
  url: string;
  /** The value of Authorization, or none. */
  tokens: Record<Caller, string | undefined>;
};

/** How long an answer is waited for, and how long a connection that is left to the service. */
const ANSWER_MS = 500;
const PATIENCE_MS = 300;
/** The sessions opened last, which attackers take from each other. */
const MAX_SESSIONS = 20;

export type Attacker = { run(attack: Attack): Promise<void> };

export function createAttacker({ url, tokens }: Target): Attacker {
  const sessions: string[] = [];

  const head = (line: string, headers: Record<string, string | undefined>) =>
    [
      `${line} HTTP/1.1`,
      "Host: here",
      ...Object.entries(headers).flatMap(([n, v]) => (v === undefined ? [] : [`${n}: ${v}`])),
    ]
      .map((text) => `${text}\r\n`)
      .join("")
      .concat("\r\n");
  const path = (version: number, transport: string, sid?: string) =>
    `/socket.io/?EIO=${version}&transport=${transport}${sid === undefined ? "" : `&sid=${encodeURIComponent(sid)}`}`;

  /** Opens a polling session; undefined when the caller isn't let in. */
  async function openSession(version: number, caller: Caller): Promise<string | undefined> {
    const line = await openLine(url);
    line.send(head(`GET ${path(version, "polling")}`, { Authorization: tokens[caller] }));
    const sid = /"sid":"([^"]+)"/.exec(await line.received(/"sid":"[^"]+"|HTTP\/1.1 [45]/, ANSWER_MS))?.[1];
    await line.end("reset", 0);
    if (sid !== undefined && sessions.push(sid) > MAX_SESSIONS) sessions.shift();
    return sid;
  }

  async function runStep(step: Step, version: number, ownSid: string | undefined): Promise<void> {
    const sid = { own: ownSid, "another's": sessions[0], "none's": undefined }[step.whose];
    const line = await openLine(url);
    if (step.do === "upgrade") {
      line.send(head(`GET ${path(version, "websocket", sid)}`, upgradeHeaders));
      await line.received(/\r\n\r\n/, ANSWER_MS);
      for (const frame of step.frames) line.send(bytesOf(frame));
    } else if (step.do === "post") {
      const body = Buffer.from(step.body);
      const length =
        step.claimed === "chunked"
          ? { "Transfer-Encoding": "chunked" }
          : { "Content-Length": step.claimed ?? `${body.length}` };
      line.send(head(`POST ${path(version, "polling", sid)}`, { "Content-Type": step.type, ...length }));
      if (step.claimed === "chunked") line.send("fffff\r\n");
      line.send(body);
    } else {
      line.send(head(`${step.do === "poll" ? "GET" : "PUT"} ${path(version, "polling", sid)}`, {}));
    }
    if (step.end !== "reset") await line.received(/\r\n\r\n/, ANSWER_MS);
    await line.end(step.end, PATIENCE_MS);
  }

  const ways: { [K in Attack["kind"]]: (attack: Extract<Attack, { kind: K }>) => Promise<void> } = {
    async http({ bytes, pieces, end }) {
      const line = await openLine(url);
      const size = Math.ceil(bytes.length / pieces) || 1;
      for (let at = 0; at < bytes.length; at += size) {
        line.send(bytes.slice(at, at + size));
        if (pieces > 1) await delay(1);
      }
      if (end !== "reset") await line.received(/\r\n\r\n/, PATIENCE_MS);
      await line.end(end, PATIENCE_MS);
    },
    async polling({ version, caller, steps, closesCleanly }) {
      const sid = await openSession(version, caller);
      const running: Promise<void>[] = [];
      for (const step of steps) {
        running.push(runStep(step, version, sid));
        await delay(step.pauseMs);
      }
      await Promise.all(running);
      if (!closesCleanly || sid === undefined) return;
      const ends: Promise<void>[] = [];
      // A session that is being closed waits for a poll, to report its end. A poll waits for data.
      const closePacket = version === 4 ? "1" : "1:1";
      for (const [method, body] of [
        ["GET", ""],
        ["POST", closePacket],
        ["GET", ""],
      ] as const) {
        const line = await openLine(url);
        line.send(head(`${method} ${path(version, "polling", sid)}`, { "Content-Length": `${body.length}` }) + body);
        ends.push(line.received(/\r\n\r\n/, ANSWER_MS).then(() => line.end("reset", 0)));
      }
      await Promise.all(ends);
    },
    async websocket({ version, caller, connects, frames, end }) {
      const line: Line = await openLine(url);
      line.send(head(`GET ${path(version, "websocket")}`, { ...upgradeHeaders, Authorization: tokens[caller] }));
      await line.received(/"sid":|HTTP\/1.1 [45]/, ANSWER_MS);
      if (connects) {
        line.send(bytesOf(textFrame("40")));
        await line.received(/40\{"sid"/, ANSWER_MS);
      }
      for (const frame of frames) line.send(bytesOf(frame));
      if (end !== "reset") await line.received(/^.{9000}/s, PATIENCE_MS);
      await line.end(end, PATIENCE_MS);
    },
  };
  return { run: (attack) => ways[attack.kind](attack as never) };
}

import { createServer, type IncomingMessage, request } from "node:http";
import type { AddressInfo } from "node:net";
import { text as readText } from "node:stream/consumers";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { createStaffClient, createVisitorClient } from "../../sdk/src/index.ts";
import type { Staff, Visitor } from "../../src/contract/models.ts";
import { startWorld, tokenOf, type World } from "../support/world.ts";
import { text } from "./cast.ts";

let world: World;
beforeAll(async () => {
  world = await startWorld("one pod", { RATE_LIMIT_PER_SECOND: "0" });
});
afterAll(() => world.stop());

/** A way to a pod on which nobody can ask for protocol 2, as if the pod didn't know it. It carries polling only. */
async function olderServer(pod: string) {
  const snapshots: string[] = [];
  const server = createServer(async (incoming: IncomingMessage, outgoing) => {
    const url = new URL(incoming.url as string, pod);
    url.searchParams.delete("protocol");
    const body = (await readText(incoming)).replace(',"protocol":2', "");
    const { "content-length": _, "transfer-encoding": __, ...headers } = incoming.headers;
    const onward = request(url, { method: incoming.method, headers }, async (answer) => {
      const said = await readText(answer);
      snapshots.push(...said.split("\u001e").filter((packet) => packet.includes("_init")));
      const { "content-length": _, "transfer-encoding": __, ...own } = answer.headers;
      outgoing.writeHead(answer.statusCode as number, own).end(said);
    });
    onward.on("error", () => outgoing.destroy());
    outgoing.on("close", () => onward.destroy());
    onward.end(body);
  });
  server.on("upgrade", (_, socket) => socket.destroy());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, snapshots };
}
const texts = (messages: readonly { type: string; content: { content: string } }[] = []) =>
  messages.flatMap(({ type, content }) => (type === "text" ? [content.content] : []));

test.each(["auth", "header"] as const)(
  "a pod that answers in the old form serves both clients (token in %s)",
  async (tokenIn) => {
    const { visitor, agent, supervisor } = await world.organisation();
    const { url, snapshots } = await olderServer(world.url(0));
    const optionsOf = (user: Staff | Visitor) =>
      ({ url, tokenIn, token: async () => tokenOf(user), storage: "memory" }) as const;
    const vera = createVisitorClient(optionsOf(await visitor())).start();
    const alex = createStaffClient(optionsOf(agent)).start();
    const sue = createStaffClient(optionsOf(supervisor)).start();
    onTestFinished(() => Promise.all([vera, alex, sue].map((client) => client.stop())).then(() => {}));
    await Promise.all([vera, alex, sue].map((client) => client.ready()));
    expect(snapshots).toHaveLength(3);
    expect(snapshots.join()).not.toContain('"protocol"');

    const { chatId } = await vera.send(text("hello"));
    await expect.poll(() => alex.getSnapshot().queue).toMatchObject([{ id: chatId }]);
    await alex.claim(chatId);
    await expect(sue.claim(chatId)).rejects.toMatchObject({ code: "alreadyClaimed" });
    await alex.send(chatId, text("good day"));
    await vera.send(text("a question"));
    const all = ["hello", "good day", "a question"];
    await expect.poll(() => texts(vera.getSnapshot().chat?.messages)).toEqual(all);
    await expect.poll(() => texts(alex.getSnapshot().mine[0]?.messages)).toEqual(all);
    await expect.poll(() => sue.getSnapshot().watched).toMatchObject([{ id: chatId }]);
    await alex.close(chatId);
    await expect.poll(() => vera.getSnapshot().phase).toBe("closed");
  },
);

// Several tabs of one staff member.
import type { Page } from "playwright-core";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import type { StaffClient } from "../../../sdk/src/index.ts";
import { enter } from "../../support/client.ts";
import { tokenOf } from "../../support/world.ts";
import { type Rig, startRig } from "./pages.ts";

declare global {
  interface Window {
    agent: StaffClient<{ content: string }>;
  }
}

let rig: Rig;
beforeAll(async () => {
  rig = await startRig();
});
afterAll(() => rig?.stop());

async function openConsoles(token: string, count: number): Promise<Page[]> {
  const context = await rig.browser.newContext();
  onTestFinished(() => context.close());
  const pages = [];
  for (let n = 0; n < count; n++) {
    const page = await context.newPage();
    await page.goto(rig.site.origin);
    await page.evaluate(
      async ([url, token]) => {
        window.agent = window.sdk.createStaffClient({ url, token: async () => token }).start();
        await window.agent.ready();
      },
      [rig.world.url(0), token] as const,
    );
    pages.push(page);
  }
  return pages;
}
const shown = (page: Page) =>
  page.evaluate(() => {
    const { queue, mine, drafts, claiming, connection, me } = window.agent.getSnapshot();
    const texts = ({ messages }: (typeof mine)[number]) =>
      messages
        .filter(({ type }) => type === "text")
        .map(({ content, by }) => `${by === "me" ? "me: " : ""}${content.content}`);
    return {
      ...{ queue: queue.map(({ id }) => id), mine: mine.map(texts), drafts: [...drafts.values()] },
      ...{ claiming: claiming.size, state: connection.state, me: me?.full_name },
    };
  });

test("a follower claims, answers and closes; all tabs show it, also after a take-over of the lead", async () => {
  const organisation = await rig.world.organisation();
  const [first, second] = (await openConsoles(tokenOf(organisation.agent), 2)) as [Page, Page];
  const visitor = await enter(rig.world.url(0), tokenOf(await organisation.visitor()));
  await visitor.ok("visitor_first_msg", { content: "Hello?" });
  await expect.poll(async () => (await shown(second)).queue.length).toBe(1);
  await second.evaluate(async () => {
    const [waiting] = window.agent.getSnapshot().queue;
    const { id } = await window.agent.claim(waiting?.id ?? "");
    await window.agent.send(id, { content: "Hi!" });
    window.agent.setDraft(id, "How can");
  });
  const served = {
    ...{ queue: [], mine: [["Hello?", "me: Hi!"]], drafts: ["How can"], claiming: 0, state: "online", me: "agent" },
  };
  for (const page of [first, second]) await expect.poll(() => shown(page)).toEqual(served);

  await first.close();
  await visitor.ok("visitor_msg", { content: "My parcel" });
  await expect.poll(async () => (await shown(second)).mine).toEqual([["Hello?", "me: Hi!", "My parcel"]]);
  await second.evaluate(() => window.agent.close(window.agent.getSnapshot().mine[0]?.id ?? ""));
  expect((await shown(second)).mine).toEqual([]);
});

test("a follower whose claim is too late learns who was faster", async () => {
  const organisation = await rig.world.organisation();
  const [, second] = (await openConsoles(tokenOf(organisation.agent), 2)) as [Page, Page];
  const rival = await enter(rig.world.url(0), tokenOf(organisation.otherAgent));
  const visitor = await enter(rig.world.url(0), tokenOf(await organisation.visitor()));
  await visitor.ok("visitor_first_msg", { content: "Hello?" });
  const { room } = await rival.next("append_unclaimed_chats");
  await rival.ok("staff_join", { room: room.id });
  const failure = await second.evaluate(
    (id) => window.agent.claim(id).catch(({ name, code, by }) => ({ name, code, by: by?.full_name })),
    room.id,
  );
  expect(failure).toEqual({ name: "ChatError", code: "alreadyClaimed", by: "otherAgent" });
});

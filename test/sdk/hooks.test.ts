// The hooks for React and Preact, in a page of a real browser: a component shows the state, and a part of it.
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { bundle } from "../../scripts/bundle.ts";
import { startBrowser, startSiteWith } from "../support/browser.ts";

const render = {
  react: `import { createElement, StrictMode } from "react";
    import { createRoot } from "react-dom/client";
    import { useChat } from "../../sdk/src/react.ts";
    const mount = (Component) => {
      const root = createRoot(document.body);
      root.render(createElement(StrictMode, null, createElement(Component)));
      return () => root.unmount();
    };`,
  preact: `import { h as createElement, render } from "preact";
    import { useChat } from "../../sdk/src/preact.ts";
    const mount = (Component) => {
      render(createElement(Component), document.body);
      return () => render(null, document.body);
    };`,
};
const program = `
  import { createVisitorClient } from "../../sdk/src/index.ts";
  import { createFakeServer } from "../../sdk/src/testing/index.ts";
  const server = createFakeServer();
  server.tokens.agent("Alex");
  export const client = createVisitorClient({
    url: "fake:", token: server.tokens.visitor("Vera"), transport: server.transport, storage: "memory",
  }).start();
  export const claim = () => server.as("Alex").claim(client.getSnapshot().chat.id);
  const Phase = () => createElement("p", null, useChat(client, (state) => state.phase));
  const Whole = () => {
    const { chat } = useChat(client);
    return createElement("div", null, createElement(Phase), createElement("b", null, String(chat?.messages.length ?? 0)));
  };
  export const unmount = mount(Whole);
`;

let browser: Browser;
beforeAll(async () => {
  browser = await startBrowser();
});
afterAll(() => browser?.close());

test.each(["react", "preact"] as const)(
  "a component with the hook of %s shows each change, and ends with its page",
  async (name) => {
    const site = await startSiteWith("chat", await bundle(render[name] + program, join(import.meta.dirname)));
    const page = await browser.newPage();
    const errors: string[] = [];
    page.on("pageerror", (error) => errors.push(error.message));
    try {
      await page.goto(site.origin);
      const shown = () => page.locator("body").innerText();
      await expect.poll(shown).toMatch(/none\s*0/);
      await page.evaluate("chat.client.send({ content: 'Hello?' })");
      await expect.poll(shown).toMatch(/queued\s*1/);
      await page.evaluate("chat.claim()");
      await expect.poll(shown).toMatch(/served\s*\d/);
      await page.evaluate("chat.unmount()");
      await page.evaluate("chat.client.send({ content: 'Bye' })");
      expect(await shown()).toBe("");
      expect(errors).toEqual([]);
    } finally {
      await page.close();
      site.close();
    }
  },
);

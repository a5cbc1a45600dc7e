import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { settle } from "./cast.ts";
import { visitorInit } from "./line.ts";
import { online, start } from "./one-visitor.ts";

/** A page, as far as the client looks at it. */
let page: EventTarget;
let screen: EventTarget & { visibilityState: string };
let listeners = 0;
const counting = <T extends EventTarget>(target: T): T => {
  const add = target.addEventListener.bind(target);
  target.addEventListener = (name: string, listener: never, options?: AddEventListenerOptions) => {
    listeners++;
    options?.signal?.addEventListener("abort", () => listeners--);
    add(name, listener, options);
  };
  return target;
};
beforeEach(() => {
  listeners = 0;
  page = counting(new EventTarget());
  screen = Object.assign(counting(new EventTarget()), { visibilityState: "hidden" });
  vi.stubGlobal("addEventListener", page.addEventListener);
  vi.stubGlobal("document", screen);
});
afterEach(() => void vi.unstubAllGlobals());

test.each(["online", "pageshow", "visibilitychange"])("%s opens the next connection at once", async (name) => {
  const { line, client } = await online();
  await settle(60_000);
  line.wire().lost();
  vi.spyOn(Math, "random").mockReturnValue(0.99);
  for (let n = 0; n < 8; n++) {
    await settle(40_000);
    line.wire().refused({});
  }
  const { length } = line.wires;
  screen.dispatchEvent(new Event("visibilitychange"));
  expect(line.wires).toHaveLength(length);
  screen.visibilityState = "visible";
  (name === "visibilitychange" ? screen : page).dispatchEvent(new Event(name));
  await settle();
  expect(line.wires).toHaveLength(length + 1);
  line.wire().open();
  line.wire().event("visitor_init", visitorInit());
  expect(client.getSnapshot().connection).toEqual({ state: "online" });
  vi.restoreAllMocks();
});

test("several wake-ups at once open one connection", async () => {
  const { line } = await online();
  await settle(60_000);
  line.wire().lost();
  const { length } = line.wires;
  screen.visibilityState = "visible";
  for (const name of ["online", "pageshow"]) page.dispatchEvent(new Event(name));
  screen.dispatchEvent(new Event("visibilitychange"));
  await settle();
  expect(line.wires).toHaveLength(length + 1);
});

test("the client listens only between start and stop", async () => {
  const { client } = start();
  expect(listeners).toBe(3);
  await client.stop();
  expect(listeners).toBe(0);
});

// A real browser, and a site for its pages.
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type Browser, chromium } from "playwright-core";
import { type Program, requireProgram } from "./programs.ts";

const program: Program = {
  name: "Chromium",
  binaries: ["chromium", "chromium-browser", "google-chrome"],
  atLeast: 120,
  apt: "apt-get install -y chromium",
  otherwise: "install it",
};
const flags = [
  ...["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"],
  ...["--disable-component-update", "--disable-sync"],
];

/** `without` are flags that Playwright sets by itself. */
export function startBrowser({ without = [] }: { without?: string[] } = {}): Promise<Browser> {
  return chromium.launch({ executablePath: requireProgram(program), args: flags, ignoreDefaultArgs: without });
}

export type Site = {
  origin: string;
  port: number;
  show(path: string, type: string, body: string): void;
  close(): void;
};

/** A server of pages. Each has an address of its own, and so an origin with a storage of its own. */
export async function startSite(): Promise<Site> {
  const files = new Map<string, { type: string; body: string }>();
  const server = createServer(({ url = "" }, response) => {
    const file = files.get(url);
    if (file) response.setHeader("Content-Type", file.type).end(file.body);
    else response.writeHead(404).end();
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  return {
    origin: `http://127.0.0.1:${port}`,
    port,
    show: (path, type, body) => void files.set(path, { type, body }),
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** A site whose page `/` has the module's exports as the global `name`. */
export async function startSiteWith(name: string, module: string): Promise<Site> {
  const site = await startSite();
  site.show("/module.js", "text/javascript", module);
  site.show(
    "/",
    "text/html",
    `<!doctype html><title>Page</title><script type="module">
      import * as exported from "/module.js";
      window.${name} = exported;
    </script>`,
  );
  return site;
}

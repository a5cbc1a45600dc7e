// Prints what the client library adds to a page: minified and compressed, without socket.io-client.
// node sdk/scripts/size.ts

import { join } from "node:path";
import { bundle, gzipSize } from "../../scripts/bundle.ts";

/** For each part: its goal in bytes, the most bytes that it may have until then, and its code. */
export const parts = {
  "both roles": { goal: 8192, most: 19_000, code: 'export * from "./src/index.ts";' },
  "the visitor alone": { goal: 5120, most: 14_300, code: 'export { createVisitorClient } from "./src/index.ts";' },
} as const;

export const codeOf = (part: keyof typeof parts): Promise<string> =>
  bundle(parts[part].code, join(import.meta.dirname, ".."), ["socket.io-client"]);

if (import.meta.main) {
  for (const part of Object.keys(parts) as (keyof typeof parts)[])
    console.log(`${part}: ${gzipSize(await codeOf(part))} bytes; the goal is ${parts[part].goal}`);
}

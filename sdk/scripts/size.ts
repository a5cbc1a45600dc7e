// Prints what the client library adds to a page: minified and compressed, without socket.io-client.
// node sdk/scripts/size.ts

import { join } from "node:path";
import { bundle, gzipSize } from "../../scripts/bundle.ts";

/** The most bytes of each part, and the code that uses it. */
export const parts = {
  "both roles": { budget: 8192, code: 'export * from "./src/index.ts";' },
  "the visitor alone": { budget: 5120, code: 'export { createVisitorClient } from "./src/index.ts";' },
} as const;

export const codeOf = (part: keyof typeof parts): Promise<string> =>
  bundle(parts[part].code, join(import.meta.dirname, ".."), ["socket.io-client"]);

if (import.meta.main) {
  for (const part of Object.keys(parts) as (keyof typeof parts)[])
    console.log(`${part}: ${gzipSize(await codeOf(part))} of ${parts[part].budget} bytes`);
}

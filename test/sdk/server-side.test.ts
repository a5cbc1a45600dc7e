import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { expect, test } from "vitest";

/** Notes each look at a global of a page that comes from the library's own files. */
const script = `
  const touched = [];
  const names = ["window", "document", "navigator", "indexedDB", "localStorage", "sessionStorage", "location", "BroadcastChannel"];
  for (const name of names)
    Object.defineProperty(globalThis, name, {
      configurable: true,
      get() {
        const [, , caller = ""] = new Error().stack.split("\\n");
        if (caller.includes("/node_modules/")) return undefined;
        touched.push(name + caller);
        throw new Error(name + " is no global of a server");
      },
    });
  const library = await import(process.argv[1]);
  for (const name of names) Reflect.deleteProperty(globalThis, name);
  const options = { url: "http://chat.example", token: async () => null };
  const states = [library.createVisitorClient(options), library.createStaffClient(options)].map(
    (client) => client.getSnapshot().connection.state,
  );
  console.log(JSON.stringify({ touched, states }));
`;

test("on a server, the import looks at no global of a page, and a new client leaves no timer", async () => {
  const library = new URL("../../sdk/src/index.ts", import.meta.url).href;
  const args = ["--input-type=module", "--eval", script, library];
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 20_000 });
  expect(JSON.parse(stdout)).toEqual({ touched: [], states: ["idle", "idle"] });
});

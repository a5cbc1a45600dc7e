import { Refusal } from "../contract/errors.ts";
import type { HttpServer } from "./server.ts";

const methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"] as const;

/**
 * Watches which routes are made from now on. The returned function then answers every other method of their paths with
 * 405 and `Allow`, before a token or a body is looked at. They are routes themselves: only the router knows in how many
 * ways a path may be written.
 */
export function watchMethods(http: HttpServer): () => void {
  const known = new Map<string, Set<string>>();
  let isWatching = true;
  http.addHook("onRoute", function ({ method, url }) {
    // The pages' plugin makes its routes in a scope of its own, some of them for all paths below one.
    if (!isWatching || this !== http || url.includes("*")) return;
    const allowed = known.get(url) ?? new Set();
    for (const one of [method].flat()) allowed.add(one);
    known.set(url, allowed);
  });
  return () => {
    isWatching = false;
    for (const [url, allowed] of known) {
      const allow = methods.filter((method) => allowed.has(method)).join(", ");
      http.route({
        url,
        method: methods.filter((method) => !allowed.has(method)),
        schema: { hide: true },
        async onRequest(_, reply) {
          reply.header("Allow", allow);
          throw new Refusal("wrongMethod", { methods: allow });
        },
        handler: () => {},
      });
    }
  };
}

import { Refusal } from "../contract/errors.ts";
import type { HttpServer } from "./server.ts";

const methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"] as const;

/**
 * Watches which routes are added from now on. The returned function then adds routes for all other methods of their
 * paths. They answer 405 and `Allow`, before a token or a body is read. They must be routes, because only the router
 * knows all forms of a path.
 */
export function watchMethods(http: HttpServer): () => void {
  const known = new Map<string, Set<string>>();
  let isWatching = true;
  http.addHook("onRoute", function ({ method, url }) {
    // The pages' plugin adds its routes in its own scope, some of them for all paths below one.
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

/** Calls `wake` when the network or the user may be back. Answers a function that ends it. Without a DOM it does nothing. */
export function onWake(wake: () => void): () => void {
  const { document: page, addEventListener: listen } = globalThis;
  if (!page || !listen) return () => {};
  const controller = new AbortController();
  const { signal } = controller;
  for (const name of ["online", "pageshow"]) listen(name, wake, { signal });
  page.addEventListener("visibilitychange", () => page.visibilityState === "visible" && wake(), { signal });
  return () => controller.abort();
}

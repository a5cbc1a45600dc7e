// Looks into a running pod, which was started with INSPECTED in its environment.
import { once } from "node:events";
import type { Pod } from "./pod.ts";

export const INSPECTED = { NODE_OPTIONS: "--inspect=127.0.0.1:0" };

export type Inspector = {
  /** Evaluates an expression in the process. Resolves to the result, as JSON. */
  evaluate<T>(expression: string): Promise<T>;
  /** Runs the garbage collector. */
  collectGarbage(): Promise<unknown>;
  /**
   * How many instances of these classes, `"engine.io".Socket` and the like, are still in memory. All of them must extend
   * EventEmitter. It blocks the pod for some seconds.
   */
  count<Name extends string>(classes: Record<Name, [module: string, name: string]>): Promise<Record<Name, number>>;
  close(): void;
};

export async function inspect(pod: Pod): Promise<Inspector> {
  const address = /Debugger listening on (ws:\S+)/.exec(pod.output())?.[1];
  if (!address) throw new Error("The pod wasn't started with INSPECTED");
  const socket = new WebSocket(address);
  await once(socket, "open");
  let asked = 0;
  const waiting = new Map<number, (answer: { result?: unknown; error?: unknown }) => void>();
  socket.addEventListener("message", ({ data }) => {
    const answer = JSON.parse(String(data));
    waiting.get(answer.id)?.(answer);
    waiting.delete(answer.id);
  });
  async function call<T>(method: string, params: object = {}): Promise<T> {
    const id = ++asked;
    const answered = new Promise<{ result?: unknown; error?: unknown }>((resolve) => waiting.set(id, resolve));
    socket.send(JSON.stringify({ id, method, params }));
    const { result, error } = await answered;
    const { exceptionDetails } = (result ?? {}) as { exceptionDetails?: unknown };
    if (error ?? exceptionDetails) throw new Error(`${method}: ${JSON.stringify(error ?? exceptionDetails)}`);
    return result as T;
  }
  type Remote = { result: { objectId: string; value: never } };
  const classIn = ([module, name]: [string, string]) =>
    `process.getBuiltinModule("module").createRequire(process.cwd() + "/package.json")("${module}").${name}`;
  await call("Runtime.enable");
  return {
    evaluate: async (expression) =>
      (await call<Remote>("Runtime.evaluate", { expression, returnByValue: true, awaitPromise: true })).result.value,
    collectGarbage: () => call("HeapProfiler.collectGarbage"),
    async count(classes) {
      const group = { objectGroup: "count" };
      const expression = `${classIn(["events", "EventEmitter"])}.prototype`;
      const { objectId } = (await call<Remote>("Runtime.evaluate", { expression, ...group })).result;
      const query = { prototypeObjectId: objectId, ...group };
      const found = await call<{ objects: { objectId: string } }>("Runtime.queryObjects", query);
      const counts = Object.entries<[string, string]>(classes).map(
        ([name, one]) => `${name}: this.filter((object) => object instanceof ${classIn(one)}).length`,
      );
      const functionDeclaration = `function () { return { ${counts.join(", ")} }; }`;
      const inThere = { functionDeclaration, returnByValue: true, ...found.objects };
      const counted = await call<Remote>("Runtime.callFunctionOn", inThere);
      await call("Runtime.releaseObjectGroup", group);
      return counted.result.value;
    },
    close: () => socket.close(),
  };
}

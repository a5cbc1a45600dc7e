// One load process. Its parent sends it orders, one after the other.
import { readFileSync } from "node:fs";
import type { World } from "../world.ts";
import { type Crowd, connectCrowd, type Share, type Totals, type Window } from "./crowd.ts";

export type Order =
  | { do: "connect"; worldFile: string; urls: string[]; share: Share }
  | { do: "saturate"; outstanding: number }
  | { do: "pace"; perSecond: number }
  | { do: "rest" | "take" | "totals" | "close" };
export type Answer = { result: Window | Totals | undefined } | { error: string };

let crowd: Crowd | undefined;

async function obey(order: Order): Promise<Window | Totals | undefined> {
  if (order.do === "connect") {
    crowd = await connectCrowd(JSON.parse(readFileSync(order.worldFile, "utf8")) as World, order.urls, order.share);
    return;
  }
  if (!crowd) throw new Error("connect comes first");
  if (order.do === "saturate") crowd.saturate(order.outstanding);
  else if (order.do === "pace") crowd.pace(order.perSecond);
  else if (order.do === "take") return crowd.take();
  else if (order.do === "totals") return crowd.totals();
  else if (order.do === "rest") crowd.rest();
  else crowd.close();
}

process.on("message", (order: Order) => {
  obey(order).then(
    (result) => process.send?.({ result } satisfies Answer),
    (error: Error) => process.send?.({ error: error.message } satisfies Answer),
  );
});
// The parent has ended.
process.on("disconnect", () => process.exit());
// Ctrl-C reaches the whole group; the parent ends the others.
process.on("SIGINT", () => {});

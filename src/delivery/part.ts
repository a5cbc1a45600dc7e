import type { Server } from "socket.io";
import type { Part } from "../platform/part.ts";
import { createDelivery, type Delivery, type DeliveryParts } from "./delivery.ts";
import { CHECK_INTERVAL_MS } from "./gaps.ts";
import { ROSTER_INTERVAL_MS } from "./roster.ts";

export function createDeliveryPart(io: Server, parts: DeliveryParts): Part & Delivery {
  const delivery = createDelivery(io, parts);
  return {
    ...delivery,
    timers: [
      { everyMs: CHECK_INTERVAL_MS, work: delivery.checkChats, onError: parts.onFault },
      { everyMs: ROSTER_INTERVAL_MS, work: delivery.checkRoster, onError: parts.onFault },
    ],
  };
}

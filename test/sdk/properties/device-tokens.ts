import type { TokenSource } from "../../../sdk/src/types.ts";

export type TokenMode = "works" | "throws" | "hangs" | "expired";

/** The host's source of tokens. It may throw, hang, or answer a token that has expired. */
export interface DeviceTokens {
  source: TokenSource;
  mode: TokenMode;
  /** The most calls that were in flight at once, without the aborted ones. */
  mostInFlight(): number;
}

export function createDeviceTokens(fresh: TokenSource, expired: () => string): DeviceTokens {
  let [inFlight, most] = [0, 0];
  const tokens: DeviceTokens = {
    mode: "works",
    mostInFlight: () => most,
    async source(cause, signal) {
      let isCounted = true;
      const end = () => {
        if (isCounted) inFlight--;
        isCounted = false;
      };
      most = Math.max(most, ++inFlight);
      signal.addEventListener("abort", end, { once: true });
      try {
        await Promise.resolve();
        if (tokens.mode === "throws") throw new Error("No token now");
        if (tokens.mode === "hangs") await new Promise((_, reject) => signal.addEventListener("abort", reject));
        if (tokens.mode === "expired") return expired();
        return await fresh(cause, signal);
      } finally {
        end();
      }
    },
  };
  return tokens;
}

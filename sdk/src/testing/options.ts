/** How the fake server is set up. Times are milliseconds. */
export interface FakeServerOptions {
  /** The same seed makes the same ids. 1 where nothing else is said. */
  seed?: number;
  /** 1 is an older server, which knows nothing of `protocol=2`. */
  protocol?: 1 | 2;
  /** How long a packet takes, in each direction. 0 needs no timer. Two numbers stand for any time between them. */
  latencyMs?: number | readonly [least: number, most: number];
  /** How far the server's clock is ahead of this machine's. */
  clockSkewMs?: number;
  /** How long a user stays online after the last connection was lost: 15,000 where nothing else is said. */
  graceMs?: number;
  /** How long a token lasts: 900,000 where nothing else is said. */
  tokenLifeMs?: number;
  /** How long a token can be renewed: 30 days where nothing else is said. */
  sessionMs?: number;
  /** After how long the server delivers a lost event again. Null: only `repair()` does. */
  repairMs?: number | null;
  /** The connections of one user. */
  maxConnections?: number;
  maxContentBytes?: number;
  /** How much a snapshot has at most: 200 chats, 20 messages of a served chat, 100 of a visitor's chat. */
  snapshot?: { chats?: number; messages?: number; visitorMessages?: number };
}

export const withDefaults = ({ snapshot, ...given }: FakeServerOptions) => ({
  ...{ seed: 1, protocol: 2 as 1 | 2, latencyMs: 0, clockSkewMs: 0, graceMs: 15_000, tokenLifeMs: 900_000 },
  ...{ sessionMs: 2_592_000_000, repairMs: 3_000 as number | null, maxConnections: 100, maxContentBytes: 65_536 },
  ...given,
  snapshot: { chats: 200, messages: 20, visitorMessages: 100, ...snapshot },
});

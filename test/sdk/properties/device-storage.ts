import type { OutboxEntry, OutboxStorage } from "../../../sdk/src/types.ts";

export type StorageMode = "works" | "fails" | "hangs";

/** A storage that survives the processes of a device. It may fail or hang. */
export interface DeviceStorage {
  /** For one process. A dead process reads and writes nothing any more. */
  open(isDead: () => boolean): OutboxStorage;
  mode: StorageMode;
  /** Whether it has failed in the present process, which then doesn't use it any more. */
  hasFailed: boolean;
  has(key: string): boolean;
  /** Whether it has ever had this entry. */
  hadOnce(key: string): boolean;
  size(): number;
}

export function createDeviceStorage(): DeviceStorage {
  const entries = new Map<string, OutboxEntry>();
  const keys = new Set<string>();
  const never = new Promise<never>(() => {});
  const storage: DeviceStorage = {
    mode: "works",
    hasFailed: false,
    has: (key) => entries.has(key),
    hadOnce: (key) => keys.has(key),
    size: () => entries.size,
    open(isDead) {
      storage.hasFailed = false;
      const run = async <T>(work: () => T): Promise<T> => {
        // A real storage takes its time.
        for (let turn = 0; turn < 3; turn++) await Promise.resolve();
        if (!isDead() && storage.mode !== "works") storage.hasFailed = true;
        if (isDead() || storage.mode === "hangs") return never;
        if (storage.mode === "fails") throw new Error("The storage fails");
        return work();
      };
      return {
        load: (owner) => run(() => [...entries.values()].filter((entry) => entry.owner === owner)),
        put: (entry) =>
          run(() => {
            keys.add(entry.key);
            entries.set(entry.key, structuredClone(entry));
          }),
        remove: (key) => run(() => void entries.delete(key)),
      };
    },
  };
  return storage;
}

const NAME = "support-chat-client";

/** The change of a step: with `text` it writes, without it deletes. */
export type Change = readonly [name: string, text?: string];

/**
 * A place for named texts. `step` gets all texts, in no order. No other step, in this or another tab, comes between
 * that and the change. Rejects when the place can't be used.
 */
export type Place = (step: (texts: unknown[]) => Change | undefined) => Promise<void>;

/** Opens the database for each step: that costs 0.3 ms, and browsers close databases of pages in the background. */
export const indexedDbPlace: Place = (step) =>
  new Promise((resolve, reject) => {
    const opening = indexedDB.open(NAME, 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(NAME);
    opening.onerror = () => reject(opening.error);
    opening.onsuccess = () => {
      const database = opening.result;
      try {
        const transaction = database.transaction(NAME, "readwrite");
        const store = transaction.objectStore(NAME);
        const all = store.getAll();
        all.onsuccess = () => {
          const [name, text] = step(all.result) ?? [];
          if (text) store.put(text, name);
          else if (name) store.delete(name);
        };
        transaction.oncomplete = () => resolve();
        transaction.onabort = () => reject(transaction.error);
      } catch (error) {
        reject(error);
      }
      // It closes when the transaction has ended.
      database.close();
    };
  });

/** Each text is an item of its own, so that tabs don't overwrite each other's texts. */
export const localPlace: Place = async (step) => {
  // Node.js has a `localStorage` that prints a warning when it is used.
  const items = document && localStorage;
  const texts = Object.entries(items).flatMap(([name, text]) => (name.startsWith(NAME) ? text : []));
  const [name, text] = step(texts) ?? [];
  if (text) items.setItem(NAME + name, text);
  else if (name) items.removeItem(NAME + name);
};

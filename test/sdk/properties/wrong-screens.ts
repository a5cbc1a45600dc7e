import type { Log } from "../../../sdk/src/types.ts";

type Screen = { chat?: Log<unknown> | null; queue?: unknown; mine?: unknown; watched?: unknown };

/** Logs that no screen may show at any time: a message twice, numbers out of order, or an echo before a stored message. */
export function wrongScreens(state: object): string[] {
  const { chat, queue, mine, watched } = state as Screen;
  const logs = [chat, queue, mine, watched]
    .flat()
    .filter((one): one is Log<unknown> => typeof one === "object" && !!one);
  return logs.flatMap(({ messages }) => {
    const keys = new Set(messages.map(({ key }) => key));
    const numbers = messages.map(({ seq }) => seq ?? Number.POSITIVE_INFINITY);
    const isSorted = numbers.every((number, n) => n === 0 || number >= (numbers[n - 1] as number));
    return [...(keys.size < messages.length ? ["a message is shown twice"] : []), ...(isSorted ? [] : ["wrong order"])];
  });
}

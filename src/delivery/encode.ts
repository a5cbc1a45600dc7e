import { jsonOf } from "../platform/json.ts";

/** The JSON of people and rooms, which many events contain. It is made once per object. */
const lasting = new WeakMap<object, string>();
const LASTING = new Set(["user", "staff", "visitor", "room"]);

/**
 * Makes the function that turns the payloads of one entry into JSON. The payloads share most of what is in them, and none
 * of it may change meanwhile. A message's content is encoded once, though it stands beside the message as well.
 */
export function createEncoder(): (payload: object) => string {
  const once = new Map<object, string>();

  function textOf(key: string, value: unknown): string {
    if (typeof value !== "object" || value === null) return JSON.stringify(value);
    const texts = LASTING.has(key) ? lasting : once;
    const known = texts.get(value);
    if (known !== undefined) return known;
    const text = newTextOf(key, value);
    texts.set(value, text);
    return text;
  }

  function newTextOf(key: string, value: object): string {
    if (key === "message") return textOfFields(value);
    return key === "content" ? jsonOf(value) : JSON.stringify(value);
  }

  function textOfFields(object: object): string {
    let fields = "";
    for (const [key, value] of Object.entries(object)) {
      if (value !== undefined) fields += `${fields && ","}"${key}":${textOf(key, value)}`;
    }
    return `{${fields}}`;
  }

  return (payload) => {
    const known = once.get(payload);
    if (known !== undefined) return known;
    const text = textOfFields(payload);
    once.set(payload, text);
    return text;
  };
}

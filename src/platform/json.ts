/** To remember a shorter text takes longer than to write it three times. */
const LONG = 1_000;

const texts = new WeakMap<object, string>();

/** The JSON of an object that doesn't change any more. A long text is made once, and kept as long as the object. */
export function jsonOf(object: object): string {
  const known = texts.get(object);
  if (known !== undefined) return known;
  const text = JSON.stringify(object);
  if (text.length >= LONG) texts.set(object, text);
  return text;
}

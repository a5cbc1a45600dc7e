import fc from "fast-check";
import { expect, test } from "vitest";
import { createEncoder } from "../../src/delivery/encode.ts";

test("any payloads are encoded as JSON does it, whatever they share", () => {
  const parts = fc.record({
    user: fc.jsonValue(),
    visitor: fc.option(fc.jsonValue(), { nil: undefined }),
    room: fc.oneof(fc.string(), fc.object()),
    content: fc.dictionary(fc.string(), fc.jsonValue()),
    messages: fc.array(fc.jsonValue()),
  });
  fc.assert(
    fc.property(parts, (first) => {
      const encode = createEncoder();
      const second = { ...first, staff: first.user, message: { content: first.content } };
      for (const payload of [first, second, first]) expect(encode(payload)).toBe(JSON.stringify(payload));
    }),
  );
});

test("a payload is encoded as it is, whatever was encoded before it", () => {
  const room = { id: "r", severity_level: 0 };
  const encode = createEncoder();
  encode({ room });
  expect(createEncoder()({ room: { ...room, severity_level: 2 }, user: { id: "u" } })).toBe(
    '{"room":{"id":"r","severity_level":2},"user":{"id":"u"}}',
  );
});

import { describe, expect, test } from "vitest";
import { BadOrigin, compileOrigins, isListed, readOrigins } from "../../../src/platform/net/origins.ts";

describe("an entry is read in the form that browsers send", () => {
  test.each([
    ["https://Shop.Example", "https://shop.example"],
    ["HTTPS://shop.example", "https://shop.example"],
    ["https://shop.example:443", "https://shop.example"],
    ["http://shop.example:80", "http://shop.example"],
    ["http://shop.example:443", "http://shop.example:443"],
    ["https://bücher.example", "https://xn--bcher-kva.example"],
    ["https://*.Bücher.example:8443", "https://*.xn--bcher-kva.example:8443"],
    ["http://[0:0::1]:3000", "http://[::1]:3000"],
    ["http://localhost:8080", "http://localhost:8080"],
    ["capacitor://localhost", "capacitor://localhost"],
    ["Ionic://localhost", "ionic://localhost"],
    ["app://obsidian.md", "app://obsidian.md"],
    ["chrome-extension://mhjfbmdgcfjbbpaeojofohoefgiehjai", "chrome-extension://mhjfbmdgcfjbbpaeojofohoefgiehjai"],
  ])("%s", (entry, origin) => {
    expect(readOrigins(entry)).toEqual([origin]);
    const inBrowser = new URL(origin.replace("*.", "www."));
    if (inBrowser.origin !== "null") expect(isListed(compileOrigins([origin]), inBrowser.origin)).toBe(true);
  });

  test("each once, without surrounding spaces", () => {
    expect(readOrigins("https://a.example , https://A.example:443,app://b")).toEqual(["https://a.example", "app://b"]);
    expect(readOrigins(" * ")).toBe(true);
  });
});

test.each([
  ...["", " ", ",", "https://a.example,,https://b.example", "https://a.example,", "https://a.example,*", "null"],
  ...["shop.example", "//shop.example", "https://", "https:shop.example", "https:\\\\shop.example"],
  ...["https://shop.example/", "https://shop.example/chat", "https://shop.example?a", "https://shop.example#a"],
  ...[
    "https://ada:secret@shop.example",
    "https://shop example",
    "https://shop.example:99999",
    "https://shop.example:x",
  ],
  ...[
    "https://*",
    "https://*.",
    "https://*shop.example",
    "https://a.*.example",
    "https://*.*.example",
    "*.shop.example",
  ],
  ...["https://*.127.0.0.1", "https://*.[::1]", "https://*.2130706433", "app://*.localhost", "capacitor://*"],
  ...["wss://shop.example", "file://", "file:///index.html", "data://x", "javascript://x"],
])("%j is refused: it can't equal any browser's origin", (text) => {
  expect(() => readOrigins(text)).toThrow(BadOrigin);
  expect(() => readOrigins(text)).toThrow(/^found ".*", expected [^\n]+$/);
});

describe("https://*.shop.example", () => {
  const listed = compileOrigins(readOrigins("https://*.shop.example") as string[]);

  test.each(["https://www.shop.example", "https://a.b.shop.example", "https://xn--bcher-kva.shop.example"])(
    "includes %s",
    (origin) => expect(isListed(listed, origin)).toBe(true),
  );

  test.each([
    ...["https://shop.example", "https://evilshop.example", "https://www.shopxexample", "http://www.shop.example"],
    ...["https://www.shop.example:8443", "https://www.shop.example.evil.example", "https://.shop.example"],
    ...[
      "https://evil.example/.shop.example",
      "https://evil.example?.shop.example",
      "https://evil.example#.shop.example",
    ],
    ...["https://evil@www.shop.example", "https://evil.example:1.shop.example", "https://*.shop.example"],
    ...["x https://www.shop.example", "https://www.shop.example\n", "https://a..shop.example", "null", ""],
  ])("doesn't include %j", (origin) => expect(isListed(listed, origin)).toBe(false));
});

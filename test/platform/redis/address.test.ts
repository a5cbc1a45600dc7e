import { describe, expect, test } from "vitest";
import { BadAddress, readRedisUrl } from "../../../src/platform/redis/address.ts";

const node = { isTls: false, user: {}, database: 0, sentinel: undefined };
const [a, b] = [
  { host: "a", port: 1 },
  { host: "b", port: 2 },
];

describe("an address is read", () => {
  test.for<[string, object]>([
    ["redis://a", { ...node, hosts: [{ host: "a", port: 6379 }] }],
    ["redis://a:1/", { ...node, hosts: [a] }],
    ["rediss://a:1", { ...node, hosts: [a], isTls: true }],
    ["redis://[::1]:1/3", { ...node, hosts: [{ host: "::1", port: 1 }], database: 3 }],
    ["redis://:p%40ss%2Fw%25rd@a:1", { ...node, hosts: [a], user: { password: "p@ss/w%rd" } }],
    ["redis://chat:a:b+c@a:1", { ...node, hosts: [a], user: { username: "chat", password: "a:b+c" } }],
    ["redis://a:1,redis://b:2", { ...node, hosts: [a, b] }],
    ["rediss://u:p@a:1, rediss://b:2", { ...node, hosts: [a, b], isTls: true, user: { username: "u", password: "p" } }],
  ])("%s", ([text, address]) => {
    expect(readRedisUrl(text)).toEqual(address);
  });

  const sentinel = { master: "mymaster", user: {} };
  test.for<[string, object]>([
    ["redis+sentinel://a:1/mymaster", { ...node, hosts: [a], sentinel }],
    [
      "redis+sentinel://a,[2001:db8::1], b:2/mymaster/4",
      {
        ...node,
        hosts: [{ host: "a", port: 26379 }, { host: "2001:db8::1", port: 26379 }, b],
        ...{ database: 4, sentinel },
      },
    ],
    [
      "rediss+sentinel://chat:p%40ss@a:1,b:2/my%20master",
      {
        ...{ hosts: [a, b], isTls: true, user: { username: "chat", password: "p@ss" }, database: 0 },
        sentinel: { master: "my master", user: {} },
      },
    ],
    [
      "redis+sentinel://a:1/mymaster?sentinel_username=watcher&sentinel_password=x+y%26z",
      {
        ...{ ...node, hosts: [a] },
        sentinel: { master: "mymaster", user: { username: "watcher", password: "x+y&z" } },
      },
    ],
  ])("%s", ([text, address]) => {
    expect(readRedisUrl(text)).toEqual(address);
  });
});

describe("the error for a bad address contains nothing of it", () => {
  test.for([
    ["http://:s3cret@a", "a text of 16 bytes"],
    ["a:6379", "a text of 6 bytes"],
    [" ", "a text of 1 bytes"],
    ["redis://:s3cret@a,,redis://b", "a text of 28 bytes"],
    ["redis://:s3cret@a,b:6379", "a text of 24 bytes"],
    ["redis://", "no host"],
    ["redis://:s3/cret@a", "an address that can't be read"],
    ["redis://a:65536", "an address that can't be read"],
    ["redis://:s3%cret@a", "a % that isn't followed by two hex digits"],
    ["redis://:s3cret@a?family=6", "a ? or # in the address"],
    ["redis://s3cret#x@a", "a ? or # in the address"],
    ["redis://a/s3cret", "something else than a number as the database"],
    ["redis://a,rediss://b", "both redis:// and rediss://"],
    ["redis://:s3cret@a,redis://:other@b", "different users or passwords"],
    ["redis://a,redis://:s3cret@b", "different users or passwords"],
    ["redis://a/1,redis://b/1", "a database number in a list"],
    ["redis+sentinel://a,b", "no master's name behind the Sentinels"],
    ["redis+sentinel://a,b/", "no master's name behind the Sentinels"],
    ["redis+sentinel:///mymaster", "no host"],
    ["redis+sentinel://a,,b/mymaster", "no host"],
    ["redis+sentinel://a:x/mymaster", "an address that can't be read"],
    ["redis+sentinel://a/mymaster/s3cret", "something else than a number as the database"],
    ["redis+sentinel://a/mymaster/0/s3cret", "a Sentinel address in another form"],
    ["redis+sentinel://:s3@cret@a/mymaster", "a Sentinel address in another form"],
    ["redis+sentinel://a/x,redis+sentinel://b/x", "a Sentinel address in another form"],
    ["redis+sentinel://:s3%cret@a/mymaster", "a % that isn't followed by two hex digits"],
    ["redis+sentinel://a/mymaster?s3cret=1", "an unknown parameter"],
  ] as const)("%s", ([text, found]) => {
    let message = "";
    try {
      readRedisUrl(text);
    } catch (error) {
      message = (error as BadAddress).message;
      expect(error).toBeInstanceOf(BadAddress);
    }
    expect(message).toMatch(new RegExp(`^found ${RegExp.escape(found)}, expected `));
    expect(message).not.toMatch(/s3|cret/);
  });
});

// HTTP requests as no client would write them: what proxies and servers read differently, halves, and what isn't HTTP.
import fc from "fast-check";

const CRLF = "\r\n";
const header = fc.oneof(
  fc.constantFrom(
    ...["Content-Length: 5", "Content-Length: -1", "Content-Length: 1e9", "Content-Length: 99999999999999999999"],
    ...[
      "Content-Length: 5, 5",
      "Content-Length : 5",
      "Transfer-Encoding: chunked",
      "Transfer-Encoding: chunked, identity",
    ],
    ...[
      "Transfer-Encoding: xchunked",
      "Transfer-Encoding : chunked",
      "Transfer-Encoding:\tchunked",
      "Expect: 100-continue",
    ],
    ...[
      "Connection: close",
      "Connection: Upgrade",
      `Connection: Upgrade${CRLF}Upgrade: websocket`,
      "Upgrade: websocket",
      "Upgrade: h2c",
      "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
    ],
    ...[
      "Content-Type: application/json",
      "Content-Type: text/plain",
      "Content-Type: ;;;",
      "Content-Encoding: gzip",
      "Trailer: X",
    ],
    ...[
      "Host: other",
      "Host:",
      "Host: a\u0000b",
      " folded: value",
      "X\u0000: 1",
      ": empty",
      "no colon",
      "__proto__: 1",
      "constructor: 1",
    ],
    ...[
      "Origin: https://evil.example",
      "Origin: \u0001",
      "X-Forwarded-For: not an address",
      "X-Forwarded-For: ::1, , 1.2.3.4:80",
    ],
    ...[
      "X-Forwarded-Host: \u00ff",
      "X-Server-Name: ../../etc",
      "X-HTTP-Method-Override: PATCH",
      "Access-Control-Request-Method: x",
    ],
    ...[
      "Sec-WebSocket-Version: 13",
      "Sec-WebSocket-Version: 99",
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
      "Sec-WebSocket-Key: x",
    ],
    ...[
      "Sec-WebSocket-Extensions: permessage-deflate",
      'Sec-WebSocket-Extensions: x; y="',
      "Sec-WebSocket-Protocol: ,,",
    ],
    ...[
      "Authorization: Bearer",
      "Authorization: Bearer a.b.c",
      `Authorization: ${"e".repeat(5_000)}.e.e`,
      "Authorization: \u00e9",
    ],
  ),
  fc.string({ unit: "binary-ascii", maxLength: 40 }),
);
const path = fc.oneof(
  fc.constantFrom(
    ...[
      "/",
      "*",
      "//",
      "/livez",
      "/readyz",
      "/login",
      "/anonymous/login",
      "/visitors",
      "/users",
      "/chats",
      "/docs",
      "/docs/",
      "/metrics",
    ],
    ...[
      "/chats/x/messages?limit=1e9",
      "/chats?limit=-1",
      "/chats?status=%00",
      "/users/__proto__",
      "/%2e%2e/%2e%2e/etc/passwd",
    ],
    ...[
      "/docs/static/..%2f..%2f..%2fpackage.json",
      "/docs/static/%00",
      "/%",
      "/%ff",
      "/?__proto__[x]=1",
      "http://other/livez",
      "http://[",
    ],
    ...[
      "/socket.io",
      "/socket.io?EIO=4&transport=websocket",
      "/socket.iox/",
      "/socket.io/",
      "/socket.io/?EIO=4&transport=polling",
      "/socket.io/?EIO=3&transport=polling",
      "/socket.io/?EIO=9&transport=x",
    ],
    ...["/socket.io/?EIO=4&transport=polling&sid=__proto__", "/socket.io/?EIO=4&transport=websocket&sid=constructor"],
    ...[
      "/socket.io/?EIO=4&transport=websocket",
      "/socket.io/?EIO=4&transport=webtransport",
      "/socket.io/?transport=__proto__&EIO=4",
    ],
    ...[
      "/socket.io/?EIO=4&transport=polling&transport=websocket",
      "/socket.io//?EIO=4",
      "/socket.iox",
      `/${"p".repeat(20_000)}`,
    ],
  ),
  fc.webPath(),
);
const method = fc.constantFrom(
  ...[
    "GET",
    "GET",
    "GET",
    "POST",
    "POST",
    "PATCH",
    "PUT",
    "DELETE",
    "HEAD",
    "OPTIONS",
    "CONNECT",
    "TRACE",
    "PROPFIND",
    "M-SEARCH",
  ],
  ...["get", "G\u0000T", "", "PRI"],
);
const body = fc.oneof(
  fc.constantFrom(
    "",
    "hello",
    "{}",
    '{"email":"a@b","password":"c"}',
    '{"__proto__":{"x":1}}',
    '{"name":"x"',
    '"'.repeat(1_000),
  ),
  fc.constantFrom(
    "5\r\nhello\r\n0\r\n\r\n",
    "fffffffff\r\n",
    "-5\r\nhello",
    "5;x=y\r\nhel",
    `${"0".repeat(5_000)}5\r\nhello\r\n`,
    "0\r\n\r\nGET /livez HTTP/1.1\r\n\r\n",
  ),
  fc.json(),
);
const version = fc.oneof(
  { weight: 8, arbitrary: fc.constant("HTTP/1.1") },
  { weight: 1, arbitrary: fc.constantFrom("HTTP/1.0", "HTTP/2.0", "HTTP/0.9", "HTTP/1.1 x", "RTSP/1.0", "") },
);
const lineEnd = fc.oneof(
  { weight: 8, arbitrary: fc.constant(CRLF) },
  { weight: 1, arbitrary: fc.constantFrom("\n", "\r", "\n\r", "\r\r\n") },
);
const request = fc
  .tuple(method, path, version, fc.array(header, { maxLength: 6 }), body, lineEnd)
  .map(([verb, target, protocol, headers, text, end]) =>
    [`${verb} ${target} ${protocol}`, "Host: here", ...headers, "", text].join(end),
  );

const ask = (headers: string, text = "") => `POST /anonymous/login HTTP/1.1\r\nHost: here\r\n${headers}\r\n\r\n${text}`;
const known = fc.constantFrom(
  // Both lengths, in the forms that are used to smuggle a second request past a proxy.
  ask("Content-Length: 4\r\nTransfer-Encoding: chunked", "5c\r\nGET /users HTTP/1.1\r\n\r\n0\r\n\r\n"),
  ask("Transfer-Encoding: chunked\r\nContent-Length: 6", "0\r\n\r\nG"),
  ask("Content-Length: 3\r\nContent-Length: 30", "{}"),
  ask("Transfer-Encoding: chunked\r\nTransfer-Encoding: x", "0\r\n\r\n"),
  ask("Content-Length: 5\n\nGET /livez HTTP/1.1", "x"),
  // Half a request, which then says no more.
  "GET /livez HTT",
  ask("Content-Type: application/json\r\nContent-Length: 1000", '{"name":'),
  ask("Content-Type: application/json\r\nTransfer-Encoding: chunked", "ffff\r\n{"),
  // Too much.
  `GET /livez HTTP/1.1\r\nX: ${"x".repeat(20_000)}\r\n\r\n`,
  `GET /livez HTTP/1.1\r\n${"A: b\r\n".repeat(10_000)}\r\n`,
  `GET /livez HTTP/1.1\r\n${"A: b\r\n".repeat(1_900)}\r\n`,
  "GET /livez HTTP/1.1\r\nHost: here\r\n\r\n".repeat(300),
  "\r\n".repeat(50_000),
  // Not HTTP/1 at all.
  "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\u0000\u0000\u0000\u0004\u0000\u0000\u0000\u0000\u0000",
  "\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\u00fc\u0003\u0003".padEnd(500, "\u0007"),
  "SSH-2.0-OpenSSH_9.6\r\n",
  "*1\r\n$4\r\nPING\r\n",
  "\u0000".repeat(1_000),
);

/** Damage: something is cut off, changed, put in, or said twice. */
const damaged = fc
  .tuple(request, fc.nat(400), fc.constantFrom("cut", "change", "insert", "repeat"), fc.integer({ min: 0, max: 255 }))
  .map(([text, at, how, byte]) => {
    const [before, after, letter] = [text.slice(0, at), text.slice(at), String.fromCharCode(byte)];
    if (how === "cut") return before;
    if (how === "change") return before + letter + after.slice(1);
    return how === "insert" ? before + letter.repeat(3) + after : before + text + after;
  });

/** One letter is one byte. */
export const rawRequest = fc.oneof(
  { weight: 3, arbitrary: request },
  { weight: 2, arbitrary: damaged },
  { weight: 2, arbitrary: known },
  { weight: 1, arbitrary: fc.tuple(request, request).map(([first, second]) => first + second) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes).toString("latin1")) },
);

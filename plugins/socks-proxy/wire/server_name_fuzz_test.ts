import assert from "node:assert/strict";
import fc from "fast-check";
import { fuzz, swift } from "../../../tests/fuzz/property.ts";
import { be16, type Bytes, hostile, mutated } from "../../../tests/fuzz/inputs.ts";
import { serverName } from "./server_name.ts";

/** As much as the sniffer listens to. */
const MOST = 8_192;
const NAMES = [
  "example.com",
  "a.b-c_d.example.",
  "EXAMPLE.ORG",
  "xn--bcher-kva.example",
  "x".repeat(63) + ".example",
];
const name = fc.oneof(fc.constantFrom(...NAMES), fc.string({ maxLength: 270 }));
const text = (value: string) => new TextEncoder().encode(value) as Bytes;

/** A ClientHello (RFC 8446 4.1.2) in records as long as is said. */
function hello(host: string, before: number, session: number, record: number): Bytes {
  const bytes = text(host);
  const sni = [
    0,
    0,
    ...be16(bytes.length + 5),
    ...be16(bytes.length + 3),
    0,
    ...be16(bytes.length),
    ...bytes,
  ];
  const other = [0x12, 0x34, ...be16(before), ...new Uint8Array(before)];
  const extensions = [...other, ...sni];
  const body = [3, 3, ...new Uint8Array(32), session, ...new Uint8Array(session), 0, 2, 0x13, 1, 1, 0]
    .concat(be16(extensions.length), extensions);
  const message = [1, 0, ...be16(body.length), ...body];
  const records: number[] = [];
  for (let at = 0; at < message.length; at += record) {
    const part = message.slice(at, at + record);
    records.push(22, 3, 1, ...be16(part.length), ...part);
  }
  return new Uint8Array(records);
}

const hellos = fc.tuple(name, fc.nat(300), fc.nat(32), fc.integer({ min: 1, max: 600 }))
  .map(([host, before, session, record]) => hello(host, before, session, record));

const blank = fc.stringMatching(/^[ \t]{0,20}$/);
const requests = fc.tuple(
  fc.constantFrom("GET / HTTP/1.1", "POST /x HTTP/1.1", "CONNECT a:443 HTTP/1.1", "OPTIONS * HTTP/1.0"),
  fc.constantFrom("Host", "host", "HOST", "X-Host"),
  blank,
  name,
  fc.constantFrom("", ":80", ":65535", ":", ":x"),
  blank,
  fc.constantFrom("\r\n\r\n", "\r\n", ""),
).map(([line, field, before, host, port, after, end]) =>
  text(`${line}\r\nAccept: */*\r\n${field}:${before}${host}${port}${after}${end}`)
);

fuzz(
  "whatever a client says first, a name that is read is one, and quickly",
  hostile(fc.oneof(hellos, requests), MOST),
  (bytes) => {
    const said = swift(() => serverName(bytes));
    if (typeof said === "string") return assert.ok(said === "more" || said === "none");
    assert.match(said.name, /^[a-z0-9_.-]{1,253}$/);
    assert.ok(!said.name.startsWith(".") && !said.name.includes(".."));
  },
);

fuzz(
  "what the first bytes decide, later ones do not change",
  mutated(fc.oneof(hellos, requests), MOST),
  (bytes) => {
    const whole = serverName(bytes);
    // Where it is cut matters, not how often.
    for (let end = 0; end < bytes.length; end += 1 + Math.floor(bytes.length / 40)) {
      const said = serverName(bytes.slice(0, end));
      if (said !== "more") assert.deepEqual(said, whole);
    }
  },
);

Deno.test("a Host of spaces alone takes no time: each byte is looked at a few times, not in every split", () => {
  for (const filling of [" ", "\t ", ": ", "a ", ":1 "]) {
    const bytes = text("GET / HTTP/1.1\r\nHost:" + filling.repeat(MOST)).slice(0, MOST);
    assert.equal(swift(() => serverName(bytes)), "more");
  }
});

Deno.test("a name is read whatever comes with it: early data in the same segment hides it from no rule", () => {
  const early = [20, 3, 3, 0, 1, 1, 23, 3, 3, 0, 3, 7, 7, 7];
  const first = new Uint8Array([...hello("example.com", 0, 32, 600), ...early]);
  assert.deepEqual(serverName(first), { name: "example.com" });
});

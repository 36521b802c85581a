import assert from "node:assert/strict";
import fc from "fast-check";
import { fuzz, swift } from "../../../tests/fuzz/property.ts";
import { be16, type Bytes, hostile, hostileText } from "../../../tests/fuzz/inputs.ts";
import { decodeReply, encodeQuestion, type Question } from "./dns.ts";
import { readPage } from "./http.ts";
import { encodeEcho, isEchoReply } from "./icmp.ts";
import { decodeExternalAddress } from "./nat_pmp.ts";
import { decodeResponse, encodeRequest } from "./stun.ts";

const IPV4 = /^\d{1,3}(\.\d{1,3}){3}$/;
const questions: Question[] = [{ id: 7, name: "a.example", type: "A" }, {
  id: 7,
  name: "7.0.168.192.in-addr.arpa",
  type: "PTR",
}];

/** A name in an answer: written out, or by pointers to anywhere. */
const names = fc.array(
  fc.oneof(
    fc.nat(300).map((to) => [0xc0 | to >> 8, to & 255]),
    fc.uint8Array({ minLength: 1, maxLength: 63 }).map((label) => [label.length, ...label]),
  ),
  { maxLength: 6 },
).map((parts) => [...parts.flat(), 0]);
const records = fc.array(
  fc.tuple(
    names,
    fc.constantFrom(1, 5, 12, 28),
    fc.oneof(names, fc.constant([192, 0, 2, 1])),
    fc.constantFrom(0, 0, 0, 1, -1),
  ),
  { maxLength: 40 },
);
const replies = fc.tuple(fc.constantFrom(...questions), records).map(([question, all]) => {
  const head = [...encodeQuestion(question)];
  head[2] = 0x81;
  head.splice(6, 2, ...be16(all.length));
  const body = all.flatMap((
    [name, type, data, off],
  ) => [...name, ...be16(type), 0, 1, 0, 0, 0, 9, ...be16(Math.max(0, data.length + off)), ...data]);
  return new Uint8Array([...head, ...body]) as Bytes;
});

fuzz(
  "whatever names point to, an answer is bounded and read in no time",
  hostile(replies, 4_096),
  (bytes) => {
    for (const question of questions) {
      const reply = swift(() => decodeReply(bytes, question));
      if (!reply) continue;
      assert.ok(reply.code >= 0 && reply.code < 16 && reply.values.length <= 32);
      for (const value of reply.values) {
        if (question.type === "A") assert.match(value, IPV4);
        else assert.ok(value.length <= 255, `a name of ${value.length} characters`);
      }
    }
  },
);

const id = new Uint8Array(12).fill(3);
const attributes = fc.array(
  fc.tuple(
    fc.constantFrom(1, 0x20, 0x8022, 0xfe57),
    fc.constantFrom([0, 1, 1, 2, 192, 0, 2, 1], [0, 2, 1, 2], []),
    fc.nat(9),
  ),
  { maxLength: 5 },
).map((all) =>
  all.flatMap((
    [type, value, more],
  ) => [...be16(type), ...be16(value.length), ...value, ...new Uint8Array(more & ~3)])
);
const responses = attributes.map((given) => {
  const head = encodeRequest(id);
  head[0] = 1;
  return new Uint8Array([...head, ...given]) as Bytes;
});

fuzz(
  "STUN tells an address and a port, or that something answered, or nothing",
  hostile(responses),
  (bytes) => {
    const mapped = swift(() => decodeResponse(bytes, id));
    if (mapped?.address === undefined) return;
    assert.match(mapped.address, IPV4);
    assert.ok(mapped.port! >= 0 && mapped.port! <= 65_535);
  },
);

fuzz(
  "NAT-PMP and echo tell nothing but what they are for",
  hostile(fc.constantFrom(
    new Uint8Array([0, 128, 0, 0, 0, 0, 0, 9, 203, 0, 113, 7]),
    new Uint8Array([0, ...encodeEcho(id).subarray(1)]),
  )),
  (bytes) => {
    const address = decodeExternalAddress(bytes);
    if (address !== undefined) assert.match(address, IPV4);
    if (isEchoReply(bytes, id)) assert.deepEqual(bytes.slice(8), id);
  },
);

const pages = fc.tuple(
  fc.constantFrom("HTTP/1.1 204 No Content", "HTTP/1.0 302 Found", "HTTP/1.1 200", "HTTP/1.1 2000 x"),
  fc.constantFrom("Location", "LOCATION", "X"),
  fc.oneof(
    fc.webUrl({ withQueryParameters: true }),
    fc.constantFrom("/login", "//x", "javascript:alert(1)", "http://[::1]:99999/", "file:///etc/passwd"),
  ),
).map(([first, field, value]) => `${first}\r\nServer: x\r\n${field}: ${value}\r\n\r\n<html>`);
const page = { url: new URL("http://probe.example/204"), status: 204 };

fuzz(
  "a portal is told in a few harmless characters, whatever it answers",
  hostileText(pages, 16_384),
  (text) => {
    const said = swift(() => readPage(new TextEncoder().encode(text) as Bytes, page));
    if (said?.portal === undefined) return;
    assert.ok(said.portal.length <= 120);
    assert.match(said.portal, /^[!-~\u00a1-\uffff]*$/);
  },
);

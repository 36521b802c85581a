import assert from "node:assert/strict";
import fc from "fast-check";
import { decodeReply, encodeQuestion, type Question, reverseName } from "./dns.ts";
import { encodeRequest as encodeGet, readPage } from "./http.ts";
import { encodeEcho, isEchoReply } from "./icmp.ts";
import { decodeExternalAddress } from "./nat_pmp.ts";
import { decodeResponse, encodeRequest } from "./stun.ts";

const hex = (text: string) =>
  new Uint8Array(text.replaceAll(" ", "").match(/../g)!.map((byte) => parseInt(byte, 16)));
const bytes = (most: number) => fc.uint8Array({ maxLength: most }).map((array) => new Uint8Array(array));

const question: Question = { id: 0x1234, name: "one.example", type: "A" };
/** The question back, with one CNAME and one address by compression pointers. */
const reply = hex(
  "1234 8180 0001 0002 0000 0000 036f6e65 07657861 6d706c65 00 0001 0001" +
    "c00c 0005 0001 0000003c 0006 0374776f c010" + "c029 0001 0001 0000003c 0004 c0000207",
);

Deno.test("a DNS question has its name, and the reply's address is found behind an alias", () => {
  assert.deepEqual(
    encodeQuestion(question),
    hex("1234 0100 0001 0000 0000 0000 036f6e65 07657861 6d706c65 00 0001 0001"),
  );
  assert.deepEqual(decodeReply(reply, question), { code: 0, values: ["192.0.2.7"] });
  assert.equal(reverseName("192.0.2.7"), "7.2.0.192.in-addr.arpa");
});

Deno.test("a reply to another question, of another type or of another id is none", () => {
  for (const other of [{ id: 1 }, { name: "two.example" }, { type: "PTR" as const }]) {
    assert.equal(decodeReply(reply, { ...question, ...other }), undefined);
  }
  assert.equal(decodeReply(encodeQuestion(question), question), undefined, "a question is no reply");
});

Deno.test("a PTR reply gives the name; a name that points at itself ends the reading", () => {
  const asked: Question = { id: 7, name: "7.2.0.192.in-addr.arpa", type: "PTR" };
  const head = encodeQuestion(asked);
  head.set([0x81, 0x80], 2);
  head.set([0, 1], 6);
  const record = (data: string) =>
    new Uint8Array([
      ...head,
      ...hex(`c00c 000c 0001 0000003c 00${hex(data).length.toString(16).padStart(2, "0")} ${data}`),
    ]);
  assert.deepEqual(decodeReply(record("0161 0262 63 00"), asked)?.values, ["a.bc"]);
  const loop = record("c000");
  // The pointer points at itself.
  loop.set([0xc0 | (loop.length - 2) >> 8, (loop.length - 2) & 255], loop.length - 2);
  assert.deepEqual(decodeReply(loop, asked)?.values, []);
});

Deno.test("STUN: the sample response of RFC 5769 2.2 gives 192.0.2.1:32853", () => {
  const response = hex(
    "0101003c 2112a442 b7e7a701bc34d686fa87dfae 8022000b 7465737420766563746f7220 002000080001a147e112a643" +
      "000800142b91f599fd9e90c38c7489f92af9ba53f06be7d7 80280004c07d4c96",
  );
  assert.deepEqual(decodeResponse(response, hex("b7e7a701bc34d686fa87dfae")), {
    address: "192.0.2.1",
    port: 32853,
  });
  assert.equal(decodeResponse(response, hex("b7e7a701bc34d686fa87dfaf")), undefined);
});

Deno.test("STUN: a request has exactly the size that was asked for", () => {
  const id = new Uint8Array(12);
  assert.equal(encodeRequest(id).length, 20);
  for (const size of [1252, 1432, 1472]) assert.equal(encodeRequest(id, size).length, size);
});

Deno.test("NAT-PMP: the modem's outer address, and nothing where it has none", () => {
  assert.equal(decodeExternalAddress(hex("0080 0000 00000001 64400001")), "100.64.0.1");
  assert.equal(decodeExternalAddress(hex("0080 0003 00000001 64400001")), undefined);
  assert.equal(decodeExternalAddress(hex("0080 0000 00000001 00000000")), undefined);
});

Deno.test("a known page is told from a portal's", () => {
  const page = { url: new URL("http://check.example/204"), status: 204 };
  const read = (text: string) => readPage(new TextEncoder().encode(text), page);
  assert.deepEqual(read("HTTP/1.1 204 No Content\r\n\r\n"), { portal: undefined });
  assert.deepEqual(read("HTTP/1.0 302 Found\r\nLocation: http://login.hotel/in?mac=02\r\n\r\n"), {
    portal: "http://login.hotel/in",
  });
  assert.deepEqual(read("HTTP/1.1 200 OK\r\n\r\n<html>log in"), { portal: "check.example" });
  assert.equal(read("SSH-2.0-OpenSSH"), undefined);
  assert.match(
    new TextDecoder().decode(encodeGet(page.url)),
    /^GET \/204 HTTP\/1\.1\r\nHost: check\.example\r\n/,
  );
});

Deno.test("an echo reply is the one with the same content", () => {
  const content = hex("0102030405060708");
  const request = encodeEcho(content);
  const answer = request.slice();
  answer[0] = 0;
  assert.equal(isEchoReply(answer, content), true);
  assert.equal(isEchoReply(request, content), false);
  assert.equal(isEchoReply(answer, hex("0102030405060709")), false);
});

Deno.test("no bytes make a parser throw", () => {
  fc.assert(fc.property(bytes(600), (noise) => {
    decodeReply(noise, question);
    decodeResponse(noise, new Uint8Array(12));
    decodeExternalAddress(noise);
    readPage(noise, { url: new URL("http://a/"), status: 204 });
    isEchoReply(noise, new Uint8Array(8));
  }));
  // Close to the truth: one byte of a good message changed, or its end cut off.
  fc.assert(fc.property(fc.nat(reply.length - 1), fc.nat(255), fc.nat(reply.length), (at, value, end) => {
    const changed = reply.slice(0, end);
    if (at < end) changed[at] = value;
    for (const address of decodeReply(changed, question)?.values ?? []) {
      assert.match(address, /^\d+\.\d+\.\d+\.\d+$/);
    }
  }));
});

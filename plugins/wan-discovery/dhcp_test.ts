import { strict as assert } from "node:assert";
import fc from "fast-check";
import { type Message, readMessage, writeMessage } from "./dhcp.ts";
import { readArp, readDatagram, writeArp, writeDatagram } from "./frame.ts";

const bytes = (options?: { minLength?: number; maxLength?: number }) =>
  fc.uint8Array(options).map((value) => new Uint8Array(value));
const mac = fc.array(fc.integer({ min: 0, max: 255 }), { minLength: 6, maxLength: 6 })
  .map((parts) => parts.map((part) => part.toString(16).padStart(2, "0")).join(":"));
const station = "02:00:00:00:00:01";

/** A server's answer with options as code and bytes. */
function answer(...options: [code: number, ...bytes: number[]][]) {
  const message = writeMessage({
    from: "server",
    type: "offer",
    xid: 7,
    clientMac: station,
    yourAddress: "10.0.0.9",
  });
  const tail = options.flatMap(([code, ...value]) => [code, value.length, ...value]);
  return new Uint8Array([...message.subarray(0, 243), ...tail, 255]);
}

Deno.test("what a client says is read as it was written", () => {
  const said: Message = {
    from: "client",
    type: "request",
    xid: 0xdeadbeef,
    broadcast: true,
    clientMac: station,
    hostName: "otb",
    requestedAddress: "192.168.1.50",
    serverId: "192.168.1.1",
  };
  const read = readMessage(writeMessage(said))!;
  for (const [key, value] of Object.entries(said)) assert.deepEqual(read[key as keyof Message], value, key);
});

Deno.test("an offer with all that modems send, pieces of one option joined, and what is nonsense left out", () => {
  const read = readMessage(answer(
    [1, 255, 255, 255, 0],
    [3, 10, 0, 0, 1, 10, 0, 0, 2],
    [51, 0, 0, 0, 120],
    [54, 10, 0, 0, 1],
    [60, ...new TextEncoder().encode("modem\n<b>\u0007")],
    [6, 1, 1],
    [6, 1, 1],
    [58, 1],
  ))!;
  assert.deepEqual([
    read.type,
    read.yourAddress,
    read.subnetMask,
    read.routers,
    read.leaseSeconds,
    read.serverId,
  ], [
    "offer",
    "10.0.0.9",
    "255.255.255.0",
    ["10.0.0.1", "10.0.0.2"],
    120,
    "10.0.0.1",
  ]);
  assert.deepEqual([read.vendorClass, read.dns, read.renewSeconds], ["modem<b>", ["1.1.1.1"], undefined]);
});

Deno.test("no bytes crash the readers, and what is cut short is not taken", () => {
  fc.assert(fc.property(bytes({ maxLength: 700 }), (input) => {
    readMessage(input);
    readDatagram(input);
    readArp(input);
  }));
  const whole = answer([54, 10, 0, 0, 1]);
  fc.assert(fc.property(fc.integer({ min: 0, max: whole.length }), bytes({ maxLength: 40 }), (cut, tail) => {
    readMessage(new Uint8Array([...whole.subarray(0, cut), ...tail]));
  }));
  for (let cut = 0; cut < 243; cut++) assert.equal(readMessage(whole.slice(0, cut)), undefined);
  assert.equal(readMessage(answer([54, 10, 0, 0, 1]).slice(0, -4)), undefined, "an option beyond the end");
});

Deno.test("a datagram and an ARP packet are read as they were written; a flipped bit in the header is seen", () => {
  fc.assert(
    fc.property(mac, fc.ipV4(), fc.ipV4(), bytes({ maxLength: 600 }), (from, source, target, payload) => {
      const said = {
        sourceMac: from,
        targetMac: station,
        source,
        target,
        sourcePort: 68,
        targetPort: 67,
        payload,
      };
      const frame = writeDatagram(said);
      assert.deepEqual(readDatagram(frame), said);
      frame[26]! ^= 1;
      assert.equal(readDatagram(frame), undefined);
      const arp = {
        operation: "reply" as const,
        senderMac: from,
        senderAddress: source,
        targetMac: station,
        targetAddress: target,
      };
      assert.deepEqual(readArp(writeArp(arp)), arp);
    }),
  );
});

import assert from "node:assert/strict";
import fc from "fast-check";
import type { Bytes } from "./addresses.ts";
import {
  type Arp,
  arpFrame,
  arpProbe,
  parseAdvertisement,
  parseArp,
  parseUdp,
  routerSolicitation,
  udpFrame,
} from "./frames.ts";

const octet = fc.nat(255);
const mac = fc.tuple(octet, octet, octet, octet, octet).map((rest) =>
  ["02", ...rest.map((byte) => byte.toString(16).padStart(2, "0"))].join(":")
);
const address = fc.tuple(octet, octet, octet, octet).map((parts) => parts.join("."));
const bytes = (hex: string) => new Uint8Array(hex.match(/../g)!.map((byte) => parseInt(byte, 16)));
const payload = fc.uint8Array({ maxLength: 1400 }).map((array) => new Uint8Array(array));

/** As radvd sends it: lifetime 1800 s, MTU 1492, prefix 2001:db8:1::/64, name server 2001:db8:1::1; checksum filled in below. */
const ADVERTISEMENT = bytes(
  "333300000001" + "020000000001" + "86dd" + "6000000000503aff" +
    "fe80000000000000000000fffe000001" + "ff020000000000000000000000000001" +
    "8600" + "0000" + "40c0070800000000" + "00000000" + "0501" + "0000" + "000005d4" +
    "030440c0" + "00015180" + "00003840" + "00000000" + "20010db8000100000000000000000000" +
    "1903" + "0000" + "00000708" + "20010db8000100000000000000000001",
);

/** The frame with the right ICMPv6 checksum. */
function summed(frame: Bytes): Bytes {
  const copy = frame.slice();
  copy.set([0, 0], 56);
  const body = copy.subarray(54);
  const pseudo = [...copy.subarray(22, 54), 0, 0, body.length >> 8, body.length & 255, 0, 0, 0, 58, ...body];
  let sum = 0;
  for (let at = 0; at < pseudo.length; at += 2) sum += pseudo[at]! << 8 | (pseudo[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  copy.set([(~sum >> 8) & 255, ~sum & 255], 56);
  return copy;
}

Deno.test("ARP comes back as it was sent", () => {
  const arp = fc.record<Arp>({
    operation: fc.constantFrom("request", "reply"),
    ...{ senderMac: mac, sender: address, targetMac: mac, target: address },
  });
  fc.assert(
    fc.property(arp, mac, (packet, to) => assert.deepEqual(parseArp(arpFrame(packet, to)), { ...packet })),
  );
  assert.equal(parseArp(arpProbe("02:00:00:00:00:01", "192.168.1.1"))?.sender, "0.0.0.0");
});

Deno.test("UDP comes back as it was sent, short ones without the padding", () => {
  const datagram = fc.record({
    ...{ fromMac: mac, toMac: mac, from: address, to: address, payload },
    ...{ fromPort: fc.nat(65_535), toPort: fc.nat(65_535) },
  });
  fc.assert(fc.property(datagram, (one) => assert.deepEqual(parseUdp(udpFrame(one)), { ...one })));
});

Deno.test("a UDP datagram that a neighbour damaged or cut is refused", () => {
  const frame = udpFrame({
    ...{ fromMac: "02:00:00:00:00:01", toMac: "02:00:00:00:00:02", from: "10.0.0.1", to: "10.0.0.2" },
    ...{ fromPort: 67, toPort: 68, payload: new Uint8Array(300) },
  });
  const damaged = (at: number, value: number) => {
    const copy = frame.slice();
    copy[at] = value;
    return copy;
  };
  assert.equal(parseUdp(frame.subarray(0, 200)), undefined);
  assert.equal(parseUdp(damaged(14, 0x44)), undefined, "header shorter than 20 bytes");
  assert.equal(parseUdp(damaged(26, 99)), undefined, "header checksum");
  assert.equal(parseUdp(damaged(6, 0x03)), undefined, "from a group of stations");
});

Deno.test("a router's advertisement tells prefix, name server, MTU; from afar or damaged it tells nothing", () => {
  const frame = summed(ADVERTISEMENT);
  assert.deepEqual(parseAdvertisement(frame), {
    ...{ mac: "02:00:00:00:00:01", router: "fe80::ff:fe00:1", lifetimeSeconds: 1800 },
    ...{ managed: true, otherConfig: true, mtu: 1492 },
    ...{ prefixes: ["2001:db8:1::/64"], dns: ["2001:db8:1::1"] },
  });
  const changed = (at: number, value: number) => {
    const copy = frame.slice();
    copy[at] = value;
    return summed(copy);
  };
  assert.equal(parseAdvertisement(changed(21, 64)), undefined, "hop limit below 255: it was forwarded");
  assert.equal(parseAdvertisement(changed(22, 0x20)), undefined, "no link-local source");
  assert.equal(parseAdvertisement(changed(71, 0)), undefined, "an option of no length");
  assert.equal(parseAdvertisement(ADVERTISEMENT), undefined, "checksum");
});

Deno.test("a solicitation has the checksum that the kernel would give it", () => {
  const frame = routerSolicitation("02:00:00:00:00:01");
  assert.deepEqual(frame, summed(frame));
});

Deno.test("no bytes break a parser", () => {
  const parsers = [parseArp, parseUdp, parseAdvertisement];
  const seeds = [arpProbe("02:00:00:00:00:01", "10.0.0.1"), summed(ADVERTISEMENT), ADVERTISEMENT];
  const mutated = fc.tuple(fc.constantFrom(...seeds), fc.array(fc.tuple(fc.nat(150), octet)), fc.nat(150))
    .map(
      ([seed, changes, length]) => {
        const copy = seed.slice();
        for (const [at, value] of changes) if (at < copy.length) copy[at] = value;
        return summed(copy.length > 60 ? copy : new Uint8Array(60)).subarray(0, Math.max(14, length));
      },
    );
  fc.assert(
    fc.property(fc.oneof(payload, mutated), (frame) => {
      for (const parse of parsers) parse(frame as Bytes);
    }),
    { numRuns: 2_000 },
  );
});

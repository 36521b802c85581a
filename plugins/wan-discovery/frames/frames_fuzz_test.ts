import assert from "node:assert/strict";
import fc from "fast-check";
import { fuzz, swift } from "../../../tests/fuzz/property.ts";
import { be16, type Bytes, hostile } from "../../../tests/fuzz/inputs.ts";
import { isStation, macBytes } from "./addresses.ts";
import { decode, encode } from "./dhcp.ts";
import { arpFrame, parseAdvertisement, parseArp, parseUdp, udpFrame } from "./frames.ts";
import { parsePppoeOffer } from "./pppoe.ts";

const MAC = "02:00:00:00:00:07", SERVER = "02:00:00:00:00:01";
const PRINTABLE = /^[\x20-\x7e]{1,255}$/;
/** As much as the packet socket hands on. */
const MOST = 2_048;

const options = fc.array(
  fc.tuple(
    fc.constantFrom(1, 3, 6, 12, 15, 26, 43, 51, 52, 53, 54, 58, 59, 60, 66, 67, 114, 121, 0, 200),
    fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc.constantFrom([2], [5], [6], [255, 255, 255, 0], [192, 168, 1, 1]),
    ),
  ),
  { maxLength: 30 },
);
const replies = fc.tuple(options, fc.boolean()).map(([given, plain]) => {
  const all: [number, ArrayLike<number>][] = plain ? [[53, [2]], [54, [192, 168, 1, 1]], ...given] : given;
  const bytes = new Uint8Array([
    ...encode({ type: "discover", xid: 7, secs: 0, mac: MAC, broadcast: true }).subarray(0, 240),
    ...all.flatMap(([code, value]) => [code, value.length, ...Array.from(value)]),
    255,
  ]);
  bytes[0] = 2;
  bytes.set([192, 168, 1, 50], 16);
  return bytes;
});

fuzz("a DHCP reply that is taken says only what can be shown and used", hostile(replies, MOST), (bytes) => {
  const reply = swift(() => decode(bytes));
  if (!reply) return;
  const { hostName, domain, vendorClass, vendorSpecific, bootServer, bootFile, captivePortal } = reply;
  for (const text of [hostName, domain, vendorClass, vendorSpecific, bootServer, bootFile, captivePortal]) {
    if (text !== undefined) assert.match(text, PRINTABLE);
  }
  assert.ok(reply.dns.length <= 4);
  assert.ok(reply.prefixLength === undefined || reply.prefixLength > 0 && reply.prefixLength <= 32);
  for (const address of [reply.server, ...reply.dns, ...reply.router ? [reply.router] : []]) {
    assert.match(address, /^\d{1,3}(\.\d{1,3}){3}$/);
    assert.notEqual(address, "0.0.0.0");
  }
});

const datagrams = fc.tuple(replies, fc.constantFrom(67, 68)).map(([payload, toPort]) =>
  udpFrame({
    fromMac: SERVER,
    toMac: MAC,
    from: "192.168.1.1",
    to: "255.255.255.255",
    fromPort: 67,
    toPort,
    payload,
  })
);
const arps = fc.constantFrom("request" as const, "reply" as const).map((operation) =>
  arpFrame({ operation, senderMac: SERVER, sender: "192.168.1.1", targetMac: MAC, target: "192.168.1.50" })
);

/** The Internet checksum, so that a changed message gets past the first look. */
function sum(bytes: number[]): number[] {
  let total = 0;
  for (let at = 0; at < bytes.length; at += 2) total += bytes[at]! << 8 | (bytes[at + 1] ?? 0);
  while (total > 0xffff) total = (total & 0xffff) + (total >>> 16);
  return be16(~total & 0xffff);
}

const routerOptions = hostile(
  fc.array(
    fc.oneof(
      fc.constant([5, 1, 0, 0, 0, 0, 5, 0xd4]),
      fc.constant([3, 4, 64, 0xc0, ...new Uint8Array(12), 0x20, 1, 0xd, 0xb8, ...new Uint8Array(12)]),
      fc.nat(20).map((count) => [25, 1 + 2 * count, ...new Uint8Array(6 + 16 * count)]),
      fc.nat(12).map((count) => [31, count, ...new Uint8Array(Math.max(0, count * 8 - 2))]),
    ),
    { maxLength: 12 },
  ).map((all) => new Uint8Array(all.flat())),
  1_200,
);
const advertisements = routerOptions.map((given) => {
  const body = [134, 0, 0, 0, 64, 0xc0, 7, 8, ...new Uint8Array(8), ...given];
  const addresses = [0xfe, 0x80, ...new Uint8Array(13), 1, 0xff, 2, ...new Uint8Array(13), 1];
  const [high, low] = sum([...addresses, 0, 0, ...be16(body.length), 0, 0, 0, 58, ...body]);
  body[2] = high!;
  body[3] = low!;
  const head = [
    0x33,
    0x33,
    0,
    0,
    0,
    1,
    ...macBytes(SERVER),
    0x86,
    0xdd,
    0x60,
    0,
    0,
    0,
    ...be16(body.length),
    58,
    255,
  ];
  return new Uint8Array([...head, ...addresses, ...body]) as Bytes;
});

const offers = fc.array(
  fc.tuple(fc.constantFrom(0x101, 0x102, 0x103, 0x104, 0), fc.uint8Array({ maxLength: 90 })),
  { maxLength: 6 },
).map((tags) => {
  const body = tags.flatMap(([tag, value]) => [...be16(tag), ...be16(value.length), ...value]);
  const all = [...be16(0x103), 0, 4, 0, 0, 0, 7, ...body];
  const head = [...macBytes(MAC), ...macBytes(SERVER), 0x88, 0x63, 0x11, 7, 0, 0, ...be16(all.length)];
  return new Uint8Array([...head, ...all]);
});

const frames = hostile(fc.oneof(datagrams, arps, advertisements, offers), MOST);

fuzz("a frame says who sent it and what, within its bounds, or nothing", frames, (frame) => {
  const udp = swift(() => parseUdp(frame));
  if (udp) {
    assert.ok(isStation(udp.fromMac) && udp.payload.length <= frame.length - 42);
    swift(() => decode(udp.payload));
  }
  const arp = swift(() => parseArp(frame));
  if (arp) assert.ok(isStation(arp.senderMac));
  const offer = swift(() => parsePppoeOffer(frame, 7));
  if (offer) assert.match(offer.name, /^[A-Za-z0-9._?-]{0,64}$/);
  const advertisement = swift(() => parseAdvertisement(frame));
  if (!advertisement) return;
  assert.ok(advertisement.prefixes.length <= 8 && advertisement.dns.length <= 8);
  for (const address of [advertisement.router, ...advertisement.dns]) {
    assert.match(address, /^[0-9a-f:]{2,39}$/);
    assert.ok((address.match(/::/g) ?? []).length <= 1);
  }
});

fuzz("a true router's options, changed, never make more of it than it says", advertisements, (frame) => {
  const read = swift(() => parseAdvertisement(frame));
  assert.ok(!read || read.mac === SERVER && read.router === "fe80::1");
});

Deno.test("the generators reach what they are for: offers, addresses and advertisements are read", () => {
  const some = (arbitrary: fc.Arbitrary<Bytes>, read: (bytes: Bytes) => unknown) =>
    assert.ok(fc.sample(arbitrary, 200).some((bytes) => read(bytes) !== undefined));
  some(replies, decode);
  some(frames, parseUdp);
  some(frames, parseArp);
  some(advertisements, parseAdvertisement);
  some(offers, (frame) => parsePppoeOffer(frame, 7));
});

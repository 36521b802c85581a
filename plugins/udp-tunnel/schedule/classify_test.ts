import { strict as assert } from "node:assert";
import * as fc from "fast-check";
import { BULK, Classifier, FLOWS, INTERACTIVE, kindOf, REAL_TIME, STREAMS } from "./classify.ts";
import { FlowKey, markCongestion } from "./flow_key.ts";
import { onesSum, type Packet, write } from "../testing/packets.ts";

const bytes = new Uint8Array(70_000);
const NAMES = { [INTERACTIVE]: "interactive", [REAL_TIME]: "real-time", [BULK]: "bulk" };

/** The class of a flow after `seconds` of packets with an even rate. */
function learn(
  packet: Packet,
  bitsPerSecond: number,
  seconds = 3,
  payload?: (index: number) => number[],
): string {
  const classifier = new Classifier(7);
  const length = write(bytes, 0, packet);
  const gapUs = length * 8e6 / bitsPerSecond;
  for (let index = 0; index * gapUs < seconds * 1e6; index++) {
    write(bytes, 0, payload ? { ...packet, payload: payload(index) } : packet);
    assert.ok(classifier.classify(bytes, 0, length, index * gapUs));
  }
  return NAMES[classifier.kind];
}

const rtp = (index: number) => [0x80, 0, index >> 8 & 255, index & 255, 0, 0, 0, 0, 1, 2, 3, 4];
const stun = () => [0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 0, 0, 0, 0, 0, 0];
const short = () => [0x40, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];

Deno.test("golden: what flows are learned as", () => {
  assert.deepEqual(
    {
      "DNS": learn({ destinationPort: 53, length: 70 }, 8_000),
      "a flood on DNS's port": learn({ destinationPort: 53, length: 1400 }, 20e6),
      "ping": learn({ protocol: 1, length: 84 }, 700),
      "a flood of pings": learn({ protocol: 1, length: 1400 }, 20e6),
      "G.711": learn({ length: 200 }, 80_000, 3, rtp),
      "G.711 over IPv6": learn({ version: 6, length: 220 }, 88_000, 3, rtp),
      "Opus under SRTP, unknown shape": learn({ length: 120 }, 48_000, 3, short),
      "video of a conference, STUN first": learn(
        { length: 1200 },
        2e6,
        3,
        (i) => i < 2 ? stun() : rtp(i * 7),
      ),
      "video of 20 Mbit/s that looks like RTP": learn({ length: 1200 }, 20e6, 3, rtp),
      "Wi-Fi calling": learn({ destinationPort: 4500, length: 180 }, 72_000),
      "a VPN's download": learn({ sourcePort: 4500, length: 1400 }, 50e6),
      "marked EF": learn({ trafficClass: 46 << 2, length: 200 }, 80_000, 0.1),
      "a download marked EF": learn({ trafficClass: 46 << 2, length: 1400 }, 50e6),
      "first packets of QUIC": learn({ length: 1200 }, 50_000, 0.5, short),
      "a QUIC download": learn({ sourcePort: 443, length: 1250 }, 50e6, 1, short),
      "TCP, typing": learn({ protocol: 6, length: 60 }, 5_000),
      "TCP, download": learn({ protocol: 6, length: 1400 }, 50e6),
    },
    {
      "DNS": "interactive",
      "a flood on DNS's port": "bulk",
      "ping": "interactive",
      "a flood of pings": "bulk",
      "G.711": "real-time",
      "G.711 over IPv6": "real-time",
      "Opus under SRTP, unknown shape": "real-time",
      "video of a conference, STUN first": "real-time",
      "video of 20 Mbit/s that looks like RTP": "bulk",
      "Wi-Fi calling": "real-time",
      "a VPN's download": "bulk",
      "marked EF": "real-time",
      "a download marked EF": "bulk",
      "first packets of QUIC": "interactive",
      "a QUIC download": "bulk",
      "TCP, typing": "interactive",
      "TCP, download": "bulk",
    },
  );
});

Deno.test("a download is bulk within its first 24 packets", () => {
  const classifier = new Classifier(7);
  const length = write(bytes, 0, { length: 1250 });
  let index = 0;
  while (classifier.kind !== BULK || index === 0) classifier.classify(bytes, 0, length, index++ * 100);
  assert.ok(index <= 24, `${index}`);
});

Deno.test("10,000 live flows each keep their own place, and a flood of others does not take it", () => {
  const classifier = new Classifier(99);
  const places = new Map<number, number>();
  for (let round = 0; round < 20; round++) {
    for (let flow = 0; flow < 10_000; flow++) {
      const length = write(bytes, 0, { source: flow, length: 200 });
      classifier.classify(bytes, 0, length, round * 20_000);
      places.set(flow, classifier.flow);
    }
  }
  assert.equal(new Set(places.values()).size, 10_000);
  for (let flow = 0; flow < 200_000; flow++) {
    const length = write(bytes, 0, { source: 1_000_000 + flow, length: 60 });
    classifier.classify(bytes, 0, length, 400_000 + flow);
  }
  assert.equal(classifier.kind, BULK, "a newcomer of a flood is not sparse on its own word");
  for (let flow = 0; flow < 10_000; flow++) {
    const length = write(bytes, 0, { source: flow, length: 200 });
    classifier.classify(bytes, 0, length, 700_000);
    assert.equal(classifier.flow, places.get(flow));
  }
});

Deno.test("fragments and ICMP are one flow by addresses and protocol", () => {
  const key = new FlowKey(1);
  const hashes = [
    { fragment: 0x2000, sourcePort: 1, destinationPort: 2 },
    { fragment: 0x00b9, sourcePort: 77, destinationPort: 88 },
    { fragment: 0x2001, sourcePort: 3, destinationPort: 9 },
  ].map((
    packet,
  ) => (key.read(bytes, 0, write(bytes, 0, packet)), [key.hash, key.check, key.sourcePort].join()));
  assert.equal(new Set(hashes).size, 1);
  const ping = (
    id: number,
  ) => (key.read(bytes, 0, write(bytes, 0, { protocol: 1, sourcePort: id })), key.hash);
  assert.equal(ping(1), ping(2));
});

Deno.test("property: nothing is read outside the packet, and the answer is always a flow and a stream of its class", () => {
  const classifier = new Classifier(3), other = new Classifier(3);
  const like = fc.record({
    version: fc.constantFrom(4 as const, 6 as const),
    protocol: fc.constantFrom(0, 1, 6, 17, 43, 44, 58, 60, 255),
    trafficClass: fc.nat(255),
    fragment: fc.nat(0xffff),
    payload: fc.array(fc.nat(255), { maxLength: 80 }),
  }).map((packet) => bytes.slice(0, write(bytes, 0, packet)));
  const hostile = fc.oneof(fc.uint8Array({ maxLength: 120 }), like);
  fc.assert(
    fc.property(hostile, fc.nat(130), fc.nat(20), fc.nat(255), (packet, cut, offset, around) => {
      const length = Math.min(cut, packet.length);
      // The same packet with different neighbours in the arena must be read alike.
      const answers = [classifier, other].map((one, index) => {
        const arena = new Uint8Array(offset + length + 64).fill(index === 0 ? around : 255 - around);
        arena.set(packet.subarray(0, length), offset);
        const guarded = new Proxy(arena, {
          get(target, at) {
            if (typeof at !== "string" || !/^\d+$/.test(at)) return Reflect.get(target, at, target);
            assert.ok(
              Number(at) >= offset && Number(at) < offset + length,
              `byte ${at} of ${offset}+${length}`,
            );
            return target[Number(at)];
          },
        });
        const isPacket = one.classify(guarded, offset, length, 1000);
        return isPacket && [one.flow, one.kind, one.stream, one.key.hash];
      });
      assert.deepEqual(answers[0], answers[1]);
      if (!answers[0]) return;
      assert.ok(classifier.flow >= 0 && classifier.flow < FLOWS);
      assert.ok(classifier.stream >= 0 && classifier.stream < STREAMS);
      assert.equal(kindOf(classifier.stream), classifier.kind);
    }),
    { numRuns: 2000 },
  );
});

Deno.test("property: marking sets both bits, keeps the checksum right, and leaves alone what does not speak ECN", () => {
  fc.assert(fc.property(
    fc.constantFrom(4 as const, 6 as const),
    fc.nat(255),
    fc.nat(0xffff),
    (version, trafficClass, source) => {
      const length = write(bytes, 5, { version, trafficClass, source });
      const before = bytes.slice(5, 5 + length);
      const marked = markCongestion(bytes, 5);
      assert.equal(marked, (trafficClass & 3) !== 0);
      if (!marked) return assert.deepEqual(bytes.slice(5, 5 + length), before);
      const key = new FlowKey(0);
      assert.ok(key.read(bytes, 5, length));
      assert.deepEqual([key.dscp, key.ecn], [trafficClass >> 2, 3]);
      if (version === 4) assert.equal(onesSum(new DataView(bytes.buffer, 5, 20), 20), 0xffff);
    },
  ));
});

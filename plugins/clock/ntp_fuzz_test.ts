import assert from "node:assert/strict";
import fc from "fast-check";
import { fuzz, swift } from "../../tests/fuzz/property.ts";
import { hostile } from "../../tests/fuzz/inputs.ts";
import { PACKET_BYTES, readAnswer } from "./ntp.ts";

const nonce = new Uint8Array(8).fill(9);
const floorMs = 1_700_000_000_000;

const packets = fc.record({
  first: fc.constantFrom(0x24, 0x1c, 0xe4, 0x23),
  stratum: fc.constantFrom(0, 1, 2, 15, 16),
  root: fc.constantFrom(0, 1, 0x18000, 0xffffffff),
  received: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  later: fc.bigInt({ min: -(2n ** 33n), max: 2n ** 33n }),
}).map(({ first, stratum, root, received, later }) => {
  const packet = new Uint8Array(PACKET_BYTES);
  const view = new DataView(packet.buffer);
  packet.set([first, stratum]);
  view.setUint32(4, root);
  packet.set(nonce, 24);
  view.setBigUint64(32, received);
  view.setBigUint64(40, BigInt.asUintN(64, received + later));
  return packet;
});

fuzz(
  "an answer is a finite reading with an honest doubt, a kiss, or nothing",
  fc.tuple(hostile(packets, 200), fc.integer({ min: -10, max: 5_000 })),
  ([packet, tookMs]) => {
    const times = { sentMs: floorMs, receivedMs: floorMs + tookMs, floorMs };
    const answer = swift(() => readAnswer(packet, nonce, times));
    if (typeof answer === "string") return assert.ok(answer === "kiss" || answer === "unusable");
    assert.ok(Number.isFinite(answer.offsetMs) && Number.isFinite(answer.errorMs) && answer.errorMs >= 5);
    assert.ok(packet.length >= PACKET_BYTES && nonce.every((byte, at) => packet[24 + at] === byte));
    // In the era of 136 years that is nearest to what has passed.
    assert.ok(Math.abs(answer.offsetMs) <= 2 ** 31 * 1000 + 10_000);
  },
);

// How a box hears which links the peer holds back, and how that is told.
import { strict as assert } from "node:assert";
import fc from "fast-check";
import { heldFacts } from "../../held_facts.ts";
import { until } from "../../testing/ends.ts";
import { PeerHolds } from "./peer_holds.ts";
import { HOLDS_BYTES, readHolds, writeHolds } from "./holds_message.ts";
import { RESET, writeHead } from "./frames.ts";
import type { Questions } from "./question.ts";

const answerOf = (proof: Parameters<typeof writeHolds>[1], nowMs: number) => {
  const out = new Uint8Array(HOLDS_BYTES);
  return out.subarray(0, writeHolds(out, proof, nowMs));
};
const PROOF = { withBitsPerSecond: 9.1e6, withoutBitsPerSecond: 17.3e6, sinceMs: 5_000, untilMs: 35_000 };

Deno.test("property: a proof is read as it was written, to the second and kbit/s; whatever else comes is none", () => {
  const ms = fc.nat(1e9), rate = fc.nat(4e9);
  fc.assert(fc.property(rate, rate, ms, ms, (withBitsPerSecond, withoutBitsPerSecond, sinceMs, untilMs) => {
    const nowMs = 1e9;
    const read = readHolds(
      answerOf({ withBitsPerSecond, withoutBitsPerSecond, sinceMs, untilMs: nowMs + untilMs }, nowMs),
      nowMs,
    );
    assert.ok(read);
    assert.ok(Math.abs(read.withBitsPerSecond - withBitsPerSecond) <= 500);
    assert.ok(Math.abs(read.withoutBitsPerSecond - withoutBitsPerSecond) <= 500);
    assert.ok(Math.abs(read.sinceMs - sinceMs) <= 500 && Math.abs(read.untilMs - nowMs - untilMs) <= 500);
  }));
  fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
    assert.ok(!readHolds(bytes as Uint8Array<ArrayBuffer>, 0));
  }));
});

Deno.test("a box asks over each link while much comes, keeps what it hears until it is over, and leaves a peer alone that knows no such question", async () => {
  let received = 0, isKnown = true, isHeld = true;
  const asked: string[] = [];
  const questions: Pick<Questions, "ask"> = {
    ask: ({ link }, _kind, done) => {
      asked.push(link);
      const reset = new Uint8Array(12);
      writeHead(reset, 0, RESET, 0, 0, 0);
      done(isKnown ? answerOf(isHeld && link === "lte" ? PROOF : undefined, 5_000) : reset);
    },
  };
  const ways = ["dsl", "lte"].map((link) => ({ link, interface: "lo", source: "127.0.0.1", weight: 1 }));
  const far = new PeerHolds(questions, () => ways, () => received, 5);
  try {
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.deepEqual(asked, []);
    received = 2_000_000;
    await until(() => far.links.length > 0);
    assert.deepEqual(asked.slice(0, 2), ["dsl", "lte"]);
    assert.equal(far.links[0]!.link, "lte");
    assert.equal(far.links[0]!.withoutBitsPerSecond, 17.3e6);
    isHeld = false;
    await until(() => far.links.length === 0);
    isKnown = false;
    received += 2_000_000;
    const before = asked.length;
    await until(() => asked.length > before);
    received += 2_000_000;
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(asked.length, before + 2);
  } finally {
    far.close();
  }
});

Deno.test("a link that is held back both ways is one fact, at times of day", () => {
  const one = { link: "lte", ...PROOF };
  const proof = {
    ...{
      withBitsPerSecond: 9.1e6,
      withoutBitsPerSecond: 17.3e6,
      sinceMs: 999_995_000,
      untilMs: 1_000_025_000,
    },
  };
  assert.deepEqual(heldFacts({ up: [one], down: [one, { ...one, link: "dsl" }] }, 1e9, 10_000), [
    { link: "lte", up: proof, down: proof },
    { link: "dsl", down: proof },
  ]);
  assert.deepEqual(heldFacts({}, 1e9, 10_000), []);
});

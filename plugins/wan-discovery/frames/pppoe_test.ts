import assert from "node:assert/strict";
import fc from "fast-check";
import { parsePppoeOffer, pppoeQuestion } from "./pppoe.ts";

const OWN = "02:00:5e:10:00:01", THEIRS = "02:00:5e:20:00:02";

/** What a concentrator makes of a question: its own station, PADO, its name before the tags that it returns. */
function offer(question: Uint8Array<ArrayBuffer>, name: string): Uint8Array<ArrayBuffer> {
  const words = new TextEncoder().encode(name);
  const length = new DataView(question.buffer).getUint16(18);
  const tags = question.slice(20, 20 + length);
  const frame = new Uint8Array(20 + 4 + words.length + length);
  frame.set([
    ...question.slice(6, 12),
    ...THEIRS.split(":").map((byte) => parseInt(byte, 16)),
    0x88,
    0x63,
    0x11,
    7,
    0,
    0,
  ]);
  const view = new DataView(frame.buffer);
  view.setUint16(18, 4 + words.length + length);
  view.setUint16(20, 0x0102);
  view.setUint16(22, words.length);
  frame.set(words, 24);
  frame.set(tags, 24 + words.length);
  return frame;
}

Deno.test("an offer names its concentrator, harmlessly, and answers only its own question", () => {
  const question = pppoeQuestion(OWN, 0xdeadbeef);
  assert.equal(question.length, 60);
  assert.deepEqual(parsePppoeOffer(offer(question, "bras-7\n<b>"), 0xdeadbeef), {
    mac: THEIRS,
    name: "bras-7??b?",
  });
  assert.equal(parsePppoeOffer(offer(question, "bras-7"), 1), undefined);
  assert.equal(parsePppoeOffer(question, 0xdeadbeef), undefined, "a question is no offer");
});

Deno.test("no bytes break the reader of offers", () => {
  const good = offer(pppoeQuestion(OWN, 7), "bras");
  fc.assert(fc.property(fc.nat(good.length), fc.nat(good.length - 1), fc.nat(255), (end, at, value) => {
    const frame = good.slice(0, end);
    if (at < end) frame[at] = value;
    assert.match(parsePppoeOffer(frame, 7)?.name ?? "", /^[A-Za-z0-9._?-]{0,64}$/);
  }));
});

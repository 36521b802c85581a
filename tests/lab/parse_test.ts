import assert from "node:assert/strict";
import fc from "fast-check";
import { parseLinks } from "./parse.ts";

Deno.test("links are read as down/up/delay with loss as a fourth part and the buffer as a fifth", () => {
  assert.deepEqual(parseLinks("100/20/10,30/10/25/0.5,18/1/20/0/300"), [
    { name: "fibre", downMbps: 100, upMbps: 20, delayMs: 10, lossPercent: 0 },
    { name: "cable", downMbps: 30, upMbps: 10, delayMs: 25, lossPercent: 0.5 },
    { name: "dsl", downMbps: 18, upMbps: 1, delayMs: 20, lossPercent: 0, queueMs: 300 },
  ]);
});

for (
  const word of [
    "",
    "100",
    "100/20",
    "0/20/10",
    "1001/1/1",
    "1/1/-1",
    "1/1/2001",
    "1/1/1/51",
    "1/1/1/1/0",
    "1/1/1/1/5001",
    "1/1/1/1/1/1",
    "a/b/c",
    "1/1/1,",
    " 1/1/1",
    "1e2/1/1",
  ]
) {
  Deno.test(`links are refused: "${word}"`, () => {
    assert.throws(() => parseLinks(word), { code: "links-invalid" });
  });
}

Deno.test("nine links are refused", () => {
  assert.throws(() => parseLinks(Array(9).fill("1/1/1").join(",")), { code: "links-invalid" });
});

Deno.test("what is written from any links within the limits is read back", () => {
  const tenths = (low: number, high: number) =>
    fc.integer({ min: low * 10, max: high * 10 }).map((n) => n / 10);
  const link = fc.tuple(tenths(0.1, 1000), tenths(0.1, 1000), tenths(0, 2000), tenths(0, 50));
  fc.assert(fc.property(fc.array(link, { minLength: 1, maxLength: 8 }), (links) => {
    const read = parseLinks(links.map((parts) => parts.join("/")).join(","));
    assert.deepEqual(read.map((l) => [l.downMbps, l.upMbps, l.delayMs, l.lossPercent]), links);
    assert.equal(new Set(read.map(({ name }) => name)).size, links.length);
  }));
});

Deno.test("any text is read or refused with the code, never something else", () => {
  const noise = fc.oneof(fc.string(), fc.stringMatching(/^[0-9/.,]{0,30}$/));
  fc.assert(fc.property(noise, (text) => {
    try {
      assert.ok(parseLinks(text).length >= 1);
    } catch (error) {
      assert.equal((error as { code: string }).code, "links-invalid");
    }
  }));
});

import { strict as assert } from "node:assert";
import fc from "fast-check";
import { add, type Arrivals, joined, mbpsBetween } from "./arrivals.ts";

function log(...entries: [atMs: number, count: number][]): Arrivals {
  const arrivals: Arrivals = { fromSlot: 0, bytes: [] };
  for (const [atMs, count] of entries) add(arrivals, atMs, count);
  return arrivals;
}

Deno.test("connections that began and ended apart are added up where they overlap", () => {
  const sum = joined([log([1_000, 10], [1_250, 5]), log([1_199, 1], [1_200, 2], [1_400, 3]), log()]);
  assert.deepEqual(sum, { fromSlot: 10, bytes: [10, 1, 7, 0, 3] });
  assert.deepEqual(joined([log()]), { fromSlot: 0, bytes: [] });
});

Deno.test("a rate is of what lies between, by halves of slots at its ends", () => {
  const arrivals = log([1_000, 100_000], [1_100, 100_000], [1_200, 100_000]);
  assert.equal(mbpsBetween(arrivals, 1_000, 1_300), 8);
  assert.equal(mbpsBetween(arrivals, 1_050, 1_150), 8);
  assert.equal(mbpsBetween(arrivals, 1_200, 1_400), 4);
  assert.equal(mbpsBetween(arrivals, 1_300, 1_300), 0);
  assert.equal(mbpsBetween(log(), 0, 1_000), 0);
});

Deno.test("no byte is lost or counted twice, however the time is cut and the connections are split", () => {
  const entry = fc.tuple(fc.integer({ min: 0, max: 5_000 }), fc.integer({ min: 0, max: 1e6 }));
  const entries = fc.array(entry).map((list) => list.sort(([a], [b]) => a - b));
  fc.assert(fc.property(entries, entries, fc.integer({ min: 1, max: 5_099 }), (one, other, cutMs) => {
    const sum = joined([log(...one), log(...other)]);
    const bytes = (fromMs: number, toMs: number) => mbpsBetween(sum, fromMs, toMs) * (toMs - fromMs) * 125;
    const all = [...one, ...other].reduce((total, [, count]) => total + count, 0);
    assert.ok(Math.abs(bytes(0, cutMs) + bytes(cutMs, 5_100) - all) <= 1e-6 * (1 + all));
  }));
});

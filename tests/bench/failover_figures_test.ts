import { strict as assert } from "node:assert";
import { carriesAfter, figures, gapsUntil, longestWithin } from "./failover_figures.ts";

Deno.test("the longest gap about a cut is one that began before it or ended after it too, and no other", () => {
  const gaps = [{ fromMs: 0, toMs: 900 }, { fromMs: 990, toMs: 1_100 }, { fromMs: 2_900, toMs: 3_050 }];
  assert.equal(longestWithin(gaps, 1_000, 3_000), 150);
  assert.equal(longestWithin(gaps, 1_000, 2_000), 110);
  assert.equal(longestWithin(gaps, 1_200, 2_000), 0);
});

Deno.test("a flow from which nothing came any more has a gap until the end", () => {
  const arrivals = { fromSlot: 10, bytes: [5, 5] };
  assert.deepEqual(gapsUntil([], arrivals, 5_000), [{ fromMs: 1_200, toMs: 5_000 }]);
  assert.deepEqual(gapsUntil([], arrivals, 1_150), []);
});

Deno.test("a link carries its share when it has held it for half a second, and not with one burst", () => {
  const every = (bytes: number[]) => bytes.map((bytes, index) => ({ atMs: 7_000 + 100 * index, bytes }));
  const steady = [0, 0, 0, 0, ...Array.from({ length: 12 }, (_, index) => 125_000 * (index + 1))];
  assert.equal(carriesAfter(every(steady), 9), 800);
  assert.equal(carriesAfter(every([0, 300_000, ...Array(12).fill(300_000)]), 9), undefined);
  assert.equal(carriesAfter([], 9), undefined);
});

Deno.test("of twenty values the 95th percentile is the second greatest", () => {
  assert.deepEqual(figures(Array.from({ length: 20 }, (_, index) => 20 - index)), {
    median: 11,
    p95: 19,
    most: 20,
  });
});

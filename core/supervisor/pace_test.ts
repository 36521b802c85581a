import { deepStrictEqual, ok } from "node:assert/strict";
import fc from "fast-check";
import { Pace } from "./pace.ts";

Deno.test("a burst is free, what follows waits its turn, and a pause is a new burst", () => {
  const pace = new Pace(3, 10);
  deepStrictEqual([0, 0, 0, 0, 0].map((nowMs) => pace.take(nowMs)), [0, 0, 0, 100, 200]);
  deepStrictEqual(pace.take(10_000), 0);
});

Deno.test("whoever waits as told has no more turns than the burst and the rate allow", () => {
  fc.assert(fc.property(fc.array(fc.nat(500), { minLength: 1, maxLength: 200 }), (pauses) => {
    const pace = new Pace(5, 4);
    let nowMs = 0;
    for (const [index, pauseMs] of pauses.entries()) {
      nowMs += pauseMs;
      nowMs += pace.take(nowMs);
      ok(index + 1 <= 5 + nowMs / 1000 * 4 + 1e-6);
    }
  }));
});

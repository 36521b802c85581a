import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { Fights } from "./fights.ts";

Deno.test("what is undone again and again is put back three times at once, then ever later; calm ends it", () => {
  const fights = new Fights();
  const waits: number[] = [];
  let nowMs = 0;
  for (let round = 0; round < 11; round++) {
    const dueMs = fights.dueMs("a");
    waits.push(Math.max(0, dueMs - nowMs));
    nowMs = Math.max(nowMs, dueMs);
    fights.repaired("a", nowMs);
  }
  deepStrictEqual(waits, [0, 0, 0, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
  deepStrictEqual(fights.going(nowMs), [{ id: "a", times: 11 }]);
  strictEqual(fights.dueMs("b"), 0);
  // It stayed: the next time it is news again.
  deepStrictEqual(fights.going(nowMs + 200_000), []);
  fights.repaired("a", nowMs + 200_000);
  strictEqual(fights.dueMs("a"), 0);
});

Deno.test("what is undone now and then is put back at once each time, and nobody is told", () => {
  const fights = new Fights();
  for (let nowMs = 0; nowMs < 3_600_000; nowMs += 30_000) {
    strictEqual(fights.dueMs("a"), 0);
    fights.repaired("a", nowMs);
    deepStrictEqual(fights.going(nowMs), []);
  }
});

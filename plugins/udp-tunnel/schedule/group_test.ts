import { strict as assert } from "node:assert";
import * as fc from "fast-check";
import { type Candidate, chooseGroup, isLossy, worth } from "./group.ts";
import { Homes, NEAR } from "./homes.ts";

const candidate = (path: number, mbps: number, owdMs: number, lossRatio = 0): Candidate => ({
  path,
  rateBitsPerSecond: mbps * 1e6,
  owdUs: owdMs * 1000,
  lossRatio,
});

/** Paths of the group over a spread of 100 ms. */
const group = (candidates: Candidate[], current = -1) =>
  chooseGroup(candidates, 100_000, current).map(({ path }) => path);

Deno.test("golden: who carries a download together", () => {
  assert.deepEqual(
    {
      "alike": group([candidate(0, 40, 20), candidate(1, 20, 10)]),
      "a satellite beside a line": group([candidate(0, 50, 300), candidate(1, 50, 10)]),
      "a satellite beside a poor line": group([candidate(0, 50, 300), candidate(1, 4, 10)]),
      "a little one 50 ms behind": group([candidate(0, 50, 10), candidate(1, 5, 60)]),
      "a little one 70 ms behind": group([candidate(0, 50, 10), candidate(1, 5, 80)]),
      "a large one 70 ms behind": group([candidate(0, 50, 10), candidate(1, 40, 80)]),
      "a lossy near one": group([candidate(0, 40, 300), candidate(1, 40, 10, 0.02)]),
      "a little better is not better": group([candidate(0, 55, 300), candidate(1, 50, 10)]),
      "a little better keeps what is": group([candidate(0, 65, 300), candidate(1, 50, 10)], 0),
      "none": group([]),
    },
    {
      "alike": [1, 0],
      "a satellite beside a line": [1],
      "a satellite beside a poor line": [0],
      "a little one 50 ms behind": [0, 1],
      "a little one 70 ms behind": [0],
      "a large one 70 ms behind": [0, 1],
      "a lossy near one": [0],
      "a little better is not better": [1],
      "a little better keeps what is": [0],
      "none": [],
    },
  );
});

Deno.test("losses halve what a path is worth at 0.3 %, and a path is lossy until it is clearly clean", () => {
  assert.equal(worth(candidate(0, 40, 10, 0.003)), 20e6);
  assert.deepEqual([
    isLossy(0.002, false),
    isLossy(0.002, true),
    isLossy(0.004, false),
    isLossy(0.0005, true),
  ], [
    false,
    true,
    true,
    false,
  ]);
});

Deno.test("property: a group is never empty, within the spread, and worth the best path but for the margins", () => {
  const paths = fc.array(
    fc.tuple(
      fc.integer({ min: 1, max: 1000 }),
      fc.integer({ min: -500, max: 500 }),
      fc.constantFrom(0, 0.001, 0.02),
    ),
    { minLength: 1, maxLength: 8 },
  );
  fc.assert(fc.property(paths, fc.integer({ min: -1, max: 7 }), (states, current) => {
    const candidates = states.map(([mbps, owdMs, loss], path) => candidate(path, mbps, owdMs, loss));
    const chosen = chooseGroup(candidates, 100_000, current);
    assert.ok(chosen.length > 0);
    assert.ok(chosen.at(-1)!.owdUs - chosen[0]!.owdUs <= 100_000);
    // At least the largest path of those around it is in the group, and it is the best there but for two margins.
    const total = chosen.reduce((sum, one) => sum + worth(one), 0);
    const alone = Math.max(...candidates.map(worth));
    assert.ok(total * 1.2 ** candidates.length * 1.0001 >= alone, `${total} ${alone}`);
  }));
});

Deno.test("new flows take a far path while the near ones are crowded and it offers more; nobody moves later", () => {
  const homes = new Homes(2);
  homes.setRate(NEAR, 50e6);
  homes.setRate(2, 40e6);
  assert.equal(homes.of(1, false), NEAR);
  homes.beat();
  homes.of(1, true);
  assert.equal(homes.of(2, true), 2);
  assert.equal(homes.of(3, true), NEAR, "25 Mbit/s near, 20 far");
  homes.beat();
  assert.deepEqual([homes.of(1, true), homes.of(2, false), homes.of(3, true)], [NEAR, 2, NEAR]);
  homes.beat();
  assert.deepEqual([homes.fairBitsPerSecond(NEAR), homes.fairBitsPerSecond(2)], [25e6, 40e6]);
  homes.setRate(2, 0);
  assert.equal(homes.of(2, true), NEAR, "its path is gone");
});

import { strict as assert } from "node:assert";
import fc from "fast-check";
import type { ConditionRule } from "../contract/mod.ts";
import { shown, type Standing } from "./standing.ts";

/** Conditions of one plugin, by code; `sinceMs` 0 unless told. */
function standing(rules: { [code: string]: Partial<ConditionRule> & { sinceMs?: number } }): Standing[] {
  return Object.entries(rules).map(([code, { sinceMs = 0, ...rule }]) => {
    const text = { conditions: { [code]: { text: code } } };
    return {
      ...{ plugin: "p", code, sinceMs, parameters: {} },
      words: { conditions: { [code]: { severity: "warning", ...rule } }, texts: { en: text, fr: text } },
    };
  });
}

const codes = (rules: Parameters<typeof standing>[0], nowMs = 10_000) =>
  shown(standing(rules), nowMs).map(({ code }) => code);

Deno.test("one cause is told once, whatever follows from it and from that", () => {
  const follows = { "no-names": { dependsOn: ["peer-gone"] }, "no-mail": { dependsOn: ["no-names"] } };
  assert.deepEqual(codes({ ...follows, "peer-gone": {}, "disk-full": {} }), ["peer-gone", "disk-full"]);
  assert.deepEqual(codes(follows), ["no-names"]);
  assert.deepEqual(codes({ "no-mail": { dependsOn: ["no-names"] } }), ["no-mail"]);
});

Deno.test("a blip is not told, and what follows from one is not hidden by it", () => {
  const rules = {
    "peer-gone": { visibleAfterMs: 3_000, sinceMs: 1_000 },
    "no-names": { dependsOn: ["peer-gone"] },
  };
  assert.deepEqual(codes(rules, 3_999), ["no-names"]);
  assert.deepEqual(codes(rules, 4_000), ["peer-gone"]);
  // A clock that was set back makes nothing older than it is.
  assert.deepEqual(codes({ blip: { visibleAfterMs: 1, sinceMs: 5_000 } }, 0), []);
});

Deno.test("something that stands long enough is always shown, however conditions follow from each other", () => {
  const names = ["a", "b", "c", "d"];
  const rules = fc.dictionary(
    fc.constantFrom(...names),
    fc.record({
      dependsOn: fc.array(fc.constantFrom(...names)),
      visibleAfterMs: fc.constantFrom(0, 1_000_000),
    }),
  );
  fc.assert(fc.property(rules, (rules) => {
    const isGrown = Object.values(rules).some(({ visibleAfterMs }) => visibleAfterMs === 0);
    assert.equal(codes(rules).length > 0, isGrown);
    // Whatever is hidden though it has stood long enough follows from something that stands.
    const seen = codes(rules);
    for (const [code, { dependsOn, visibleAfterMs }] of Object.entries(rules)) {
      if (visibleAfterMs > 0 || seen.includes(code)) continue;
      assert.ok(dependsOn.some((cause) => cause !== code && cause in rules));
    }
  }));
});

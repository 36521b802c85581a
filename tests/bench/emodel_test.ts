import assert from "node:assert/strict";
import fc from "fast-check";
import { G711, meanOpinionScore, OPUS, rating } from "./emodel.ts";

Deno.test("the scores that G.107 and G.113 give for known calls", () => {
  const near = (value: number, wanted: number, by: number) =>
    assert.ok(Math.abs(value - wanted) <= by, `${value}, not ${wanted}`);
  near(meanOpinionScore(93.2), 4.41, 0.01);
  near(meanOpinionScore(80), 4.03, 0.01);
  near(meanOpinionScore(50), 2.58, 0.01);
  const r = (networkMs: number, lossShare: number) => rating({ networkMs, lossShare }, G711);
  near(r(50, 0), 93.2, 0.001);
  // G.107 figure of Idd: 150 ms all but nothing, 300 ms about 17, 400 ms about 24.
  near(93.2 - r(150 - G711.codecMs, 0), 0.2, 0.5);
  near(93.2 - r(300 - G711.codecMs, 0), 15, 2.5);
  near(93.2 - r(400 - G711.codecMs, 0), 24, 2.5);
  // G.113: G.711 with concealment and 2 % of loss has Ie-eff about 7.
  near(93.2 - r(50, 0.02), 7, 0.2);
});

Deno.test("more delay or more loss is never better, and a score is a score", () => {
  const heard = fc.record({
    networkMs: fc.double({ min: 0, max: 2_000, noNaN: true }),
    lossShare: fc.double({ min: 0, max: 1, noNaN: true }),
  });
  fc.assert(
    fc.property(
      heard,
      fc.double({ min: 0, max: 500, noNaN: true }),
      fc.constantFrom(G711, OPUS),
      (call, more, codec) => {
        const r = rating(call, codec);
        const score = meanOpinionScore(r);
        assert.ok(score >= 1 && score <= 4.5);
        assert.ok(rating({ ...call, networkMs: call.networkMs + more }, codec) <= r + 1e-9);
        assert.ok(
          rating({ ...call, lossShare: Math.min(1, call.lossShare + more / 500) }, codec) <= r + 1e-9,
        );
      },
    ),
  );
});

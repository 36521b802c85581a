// All scheduling modules together in virtual time against the bars of the tunnel. `FIGURES=1` prints what
// SCHEDULING.md says.
import { strict as assert } from "node:assert";
import * as fc from "fast-check";
import type { LinkOptions } from "../testing/links.ts";
import { bestAlone, type Figures, run, type Trial } from "../testing/trials.ts";

const isPrinting = Deno.env.get("FIGURES") === "1";

/** Runs a trial and says what came of it. */
function tried(trial: Trial): Figures & { name: string } {
  const figures = run(trial);
  const links = trial.links.map(({ mbps, rttMs, loss, jitterMs, cutAtS }) =>
    `${mbps}/${rttMs}${loss ? ` ${loss * 100} %` : ""}${jitterMs ? ` ~${jitterMs}` : ""}${
      cutAtS ? " cut" : ""
    }`
  ).join(" + ");
  const what = trial.constantShare
    ? `constant ${trial.constantShare * 100} %`
    : `${trial.downloads} downloads`;
  const name = `${links}, ${what}${trial.call ? ", call" : ""}`;
  if (isPrinting) {
    console.log(
      `${name}: ${(figures.shareOfSum * 100).toFixed(1)} % of the sum, reordered ${
        (figures.reordered * 100).toFixed(3)
      } %, longest gap ${figures.longestGapMs.toFixed(0)} ms` +
        (trial.call
          ? `, call p95 ${figures.callDelayP95Ms.toFixed(1)} ms, lost ${
            (figures.callLoss * 100).toFixed(2)
          } %`
          : ""),
    );
  }
  return { name, ...figures };
}

const pair = (
  mbps: number,
  rttMs: number,
  otherMbps: number,
  otherRttMs: number,
  more: Partial<LinkOptions> = {},
) => [
  { mbps, rttMs },
  { mbps: otherMbps, rttMs: otherRttMs, ...more },
];
const ROUND_TRIPS: [number, number][] = [[5, 5], [20, 40], [40, 20], [30, 100], [100, 30]];

Deno.test("a constant flow of 95 % of unequal links' sum arrives, in order, whatever the losses of a radio", () => {
  for (const ratio of [1, 2, 4, 10]) {
    for (const [one, other] of ROUND_TRIPS) {
      for (const loss of [0, 0.01]) {
        const links = pair(40, one, 40 / ratio, other, { loss });
        const { name, shareOfSum, reordered } = tried({ links, constantShare: 0.95, warmS: 4, seconds: 4 });
        assert.ok(shareOfSum >= 0.92, `${name}: ${shareOfSum}`);
        assert.ok(reordered < 0.005, `${name}: ${reordered} reordered`);
      }
    }
  }
});

Deno.test("four downloads take 92 % of the sum of unequal links, in order", () => {
  for (const ratio of [1, 4, 10]) {
    for (const [one, other] of ROUND_TRIPS) {
      const { name, shareOfSum, reordered } = tried({
        links: pair(40, one, 40 / ratio, other),
        downloads: 4,
        warmS: 8,
      });
      assert.ok(shareOfSum >= 0.92, `${name}: ${shareOfSum}`);
      assert.ok(reordered < 0.005, `${name}: ${reordered} reordered`);
    }
  }
});

Deno.test("one download takes 85 % of the sum of unequal links, 92 % where they are less than 70 ms apart", () => {
  for (const ratio of [1, 4, 10]) {
    for (const [one, other] of ROUND_TRIPS) {
      const { name, shareOfSum } = tried({
        links: pair(40, one, 40 / ratio, other),
        downloads: 1,
        warmS: 20,
      });
      assert.ok(shareOfSum >= (Math.abs(one - other) < 70 ? 0.92 : 0.85), `${name}: ${shareOfSum}`);
    }
  }
});

Deno.test("a download never takes less than 95 % of what the best link alone gives it", () => {
  for (const [one, other] of [[20, 300], [300, 20], [30, 100]] as const) {
    for (const [ratio, downloads] of [[1, 1], [10, 1], [4, 4]] as const) {
      for (const loss of [0, 0.02]) {
        const trial = {
          links: pair(40, one, 40 / ratio, other, { loss }),
          downloads,
          warmS: 25,
          seconds: 10,
        };
        const { name, mbps } = tried(trial);
        const alone = bestAlone(trial).mbps;
        assert.ok(mbps >= 0.95 * alone, `${name}: ${mbps} of ${alone}`);
      }
    }
  }
});

Deno.test("downloads that come one after the other also fill a link of 600 ms", () => {
  const { name, shareOfSum } = tried({
    links: pair(50, 20, 50, 600),
    downloads: 8,
    staggerS: 1,
    warmS: 20,
    seconds: 20,
  });
  assert.ok(shareOfSum >= 0.92, `${name}: ${shareOfSum}`);
});

Deno.test("a link that is cut leaves a gap of at most 0.3 s, and a call loses at most 5 packets", () => {
  for (const rates of [pair(50, 20, 50, 20), pair(40, 20, 20, 40), pair(30, 30, 30, 100)]) {
    for (const cut of [0, 1]) {
      for (const load of [{ constantShare: 0.3 }, { constantShare: 0.95 }, { downloads: 1 }]) {
        const links = rates.map((link, index) => index === cut ? { ...link, cutAtS: 8.033 } : link);
        const { name, longestGapMs, callLoss } = tried({ links, ...load, call: true, warmS: 6, seconds: 5 });
        assert.ok(longestGapMs <= 300, `${name}: ${longestGapMs} ms`);
        assert.ok(Math.round(callLoss * 250) <= 5, `${name}: ${callLoss * 250} packets`);
      }
    }
  }
});

Deno.test("a call stays clear while downloads fill the links: 35 ms later at most, and nothing lost", () => {
  for (
    const links of [
      [{ mbps: 40, rttMs: 20 }],
      pair(40, 20, 20, 40),
      pair(40, 20, 4, 60),
      pair(30, 30, 30, 100),
    ]
  ) {
    const idle = run({ links, constantShare: 0.001, call: true, warmS: 6 });
    for (const downloads of [1, 4]) {
      const { name, callDelayP95Ms, callLoss } = tried({ links, downloads, call: true, warmS: 6 });
      assert.ok(
        callDelayP95Ms - idle.callDelayP95Ms <= 35,
        `${name}: ${callDelayP95Ms - idle.callDelayP95Ms} ms`,
      );
      assert.ok(callLoss < 0.005, `${name}: ${callLoss}`);
    }
  }
});

Deno.test("a process that reads its sockets every 2 ms, and stands still for 10 ms twice a second, gets as much", () => {
  for (const links of [pair(40, 20, 20, 40), pair(40, 30, 40, 100), pair(200, 10, 50, 20)]) {
    for (const load of [{ downloads: 1 }, { downloads: 4 }, { constantShare: 0.95 }]) {
      const { name, shareOfSum, reordered } = tried({
        links,
        ...load,
        host: { turnMs: 2, stallMs: 10 },
        warmS: 8,
      });
      assert.ok(shareOfSum >= (load.downloads === 1 ? 0.85 : 0.92), `${name}: ${shareOfSum}`);
      assert.ok(reordered < 0.005, `${name}: ${reordered} reordered`);
    }
  }
});

Deno.test("property: over links of any kind a constant flow keeps its order and most of its packets", () => {
  const link = fc.record({
    mbps: fc.integer({ min: 4, max: 60 }),
    rttMs: fc.integer({ min: 5, max: 150 }),
    loss: fc.constantFrom(0, 0.005, 0.02),
    jitterMs: fc.constantFrom(0, 2),
    queueMs: fc.integer({ min: 40, max: 300 }),
  });
  fc.assert(
    fc.property(fc.array(link, { minLength: 2, maxLength: 4 }), fc.nat(), (links, seed) => {
      const { shareOfSum, reordered } = run({ links, constantShare: 0.6, warmS: 3, seconds: 3, seed });
      assert.ok(shareOfSum >= 0.6 * 0.93, `${shareOfSum}`);
      assert.ok(reordered < 0.005, `${reordered} reordered`);
    }),
    { numRuns: 15, seed: 4 },
  );
});

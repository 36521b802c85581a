import assert from "node:assert/strict";
import { CORE_FACTS } from "../../core/running/facts.ts";
import { declarations, drawn, factBreaches, factsTable, type Known, stepBreaches } from "./facts.ts";
import { readHouse } from "./house.ts";
import { LINK_LOSS } from "./link_loss.ts";

Deno.test("every fact is declared once, and manifests name exactly what is told and followed", async () => {
  const { sources, manifests } = await readHouse();
  const known: Known = { sources, parts: { ...manifests, core: CORE_FACTS } };
  assert.ok(declarations(sources).length > 30, "suspiciously few facts");
  assert.deepEqual(factBreaches(known), []);
  assert.deepEqual(stepBreaches(LINK_LOSS, known), []);
});

const SHARED = `/**
 * How it is. More of it.
 */
export const STATE = fact("state", z.object({}));
/** How large it is; told by who measures. */
export const SIZE = factOf(
  "size",
  "box",
  z.number(),
);
`;
const known: Known = {
  sources: {
    "core/contract/facts/a.ts": SHARED,
    "plugins/one/mod.ts": "ctx.facts.publish(STATE, {});\nthis.ctx.facts.publishAll(SIZE, all);",
    "plugins/two/mod.ts": "const view = ctx.facts.watch(\n  SIZE,\n);",
    "core/running/running.ts": "this.#facts.watch(STATE)",
  },
  parts: {
    one: { publishes: ["state", "size"] },
    two: { reads: ["size"] },
    core: { reads: ["state"] },
  },
};

/** The breaches of what is known with one module or part more. */
function breachesWith(sources: Known["sources"], parts: Known["parts"] = {}): string[] {
  return factBreaches({ sources: { ...known.sources, ...sources }, parts: { ...known.parts, ...parts } });
}

Deno.test("what is in order breaks no rule, and tests may do what they like", () => {
  assert.deepEqual(breachesWith({ "plugins/two/mod_test.ts": `facts.watch(anything)` }), []);
});

for (
  const [what, breaches] of Object.entries({
    "a key that nobody declares": breachesWith({}, { two: { reads: ["size", "link/"] } }),
    "a plugin that waits for a fact that nobody declares": breachesWith({}, {
      two: { reads: ["size"], runs: { whileFact: "sizes" } },
    }),
    "a key that the code does not use": breachesWith({}, { two: { reads: ["size", "state"] } }),
    "a fact that is used and not named": breachesWith({ "plugins/two/b.ts": "facts.watch(STATE)" }),
    "a fact that is published and only read by the manifest": breachesWith({
      "plugins/two/b.ts": "facts.publish(SIZE, 1)",
    }),
    "a fact that is no declared name": breachesWith({ "plugins/two/b.ts": `facts.watch("size")` }),
    "a fact of another plugin alone": breachesWith({
      "plugins/one/own.ts": `export const OWN = fact("own", z.any());\nfacts.publish(OWN, 1)`,
      "plugins/two/b.ts": "facts.watch(OWN)",
    }, { one: { publishes: ["state", "size", "own"] } }),
    "a fact that is declared twice": breachesWith({
      "plugins/two/b.ts": `const MINE = fact("size", z.any());`,
    }),
    "a fact that nobody publishes": breachesWith({
      "plugins/two/b.ts": `const MINE = fact("mine", z.any());`,
    }),
  })
) {
  Deno.test(`the gate finds ${what}`, () => assert.equal(breaches.length, 1, breaches.join("\n")));
}

Deno.test("the page says who tells and who follows what", () => {
  assert.deepEqual(factsTable(known).split("\n").map((line) => line.replace(/ +/g, " ")).toSpliced(1, 1), [
    "| Fact | Of each | Told by | Followed by | What it is |",
    "| `size` | box | one | two | How large it is; told by who measures. |",
    "| `state` | | one | core | How it is. |",
  ]);
  const steps = [
    { from: "one", by: "size", to: "two", does: "shrinks" },
    { from: "two", by: "a word", to: "one", does: "rests" },
  ];
  assert.match(
    drawn(steps, ["size"]),
    /one\["one"\] -- size --> two\["two"\]\n {2}two\["two"\] -\. "a word" \.-> one/,
  );
  assert.deepEqual(stepBreaches(steps, known), []);
  assert.equal(stepBreaches([{ from: "two", by: "size", to: "one", does: "" }], known).length, 1);
});

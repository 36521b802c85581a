import { strict as assert } from "node:assert";
import * as fc from "fast-check";
import { say } from "@otb/plugin";
import { type Answer, PeerReach } from "./peer_reach.ts";
import { words } from "./texts/mod.ts";

/** Plays answers at their seconds; says the state after each. */
function play(...steps: [seconds: number, answer: Answer | undefined][]): string[] {
  const reach = new PeerReach();
  return steps.map(([seconds, answer]) => {
    if (answer) reach.heard(answer, seconds * 1000);
    const { state, why } = reach.state(seconds * 1000);
    return why ? `${state}: ${say(words, why)}` : state;
  });
}

Deno.test("a peer is up with its first answer, gone after 5 s of asking, and back after 3 s of answers", () => {
  assert.deepEqual(
    play(
      [0, undefined],
      [1, "answered"],
      [2, "silent"],
      [6, "silent"],
      [7, "silent"],
      [8, "answered"],
      [10, "answered"],
      [11, "answered"],
    ),
    [
      "unknown",
      "up",
      "up",
      "up",
      "down: no link reaches it",
      "unknown: it answers again",
      "unknown: it answers again",
      "up",
    ],
  );
});

Deno.test("one link that hears of it is enough, and a refusal is told from silence", () => {
  assert.deepEqual(play([0, "answered"], [3, "silent"], [7, "answered"], [9, "silent"]).at(-1), "up");
  assert.deepEqual(
    play([0, "refused"], [6, "refused"]).at(-1),
    "down: its address answers, but nothing listens on its port",
  );
});

Deno.test("while no link reaches anybody nothing is known of the peer; others must have answered since it was missed", () => {
  const reach = new PeerReach();
  const at = (seconds: number, answer: Answer | undefined, answers: number) => {
    if (answer) reach.heard(answer, seconds * 1000);
    return reach.state(seconds * 1000, answers).state;
  };
  assert.equal(at(0, "answered", 7), "up");
  assert.equal(at(1, "silent", 7), "up");
  assert.equal(at(6, "silent", 7), "unknown");
  assert.equal(at(600, "silent", 7), "unknown");
  assert.equal(at(601, "answered", 7), "up");
  // Who counts was begun anew, and counts from nothing.
  assert.equal(at(602, "silent", 7), "up");
  assert.equal(at(603, undefined, 0), "up");
  assert.equal(at(608, undefined, 0), "unknown");
  assert.equal(at(609, undefined, 1), "down");
  // All links fall silent as well: it is as gone as it was.
  assert.equal(at(700, "silent", 1), "down");
  assert.equal(at(701, "answered", 1), "unknown");
  assert.equal(at(701.5, "silent", 1), "down");
  assert.equal(at(701.8, "answered", 1), "unknown");
  assert.equal(at(705, "answered", 1), "up");
  // It was asked by others first, and found silent.
  assert.equal(at(705.5, "answered", 2), "up");
  assert.equal(reach.doubtful, false);
  assert.equal(at(705.6, undefined, 3), "up");
  assert.equal(reach.doubtful, true);
  assert.equal(at(705.7, "answered", 3), "up");
  assert.equal(reach.doubtful, false);
  // Its address answers, so a link reaches it.
  assert.equal(at(706, "refused", 1), "up");
  assert.equal(at(712, "refused", 1), "down");
});

Deno.test("property: it is never down while it answers, nor 5 s after it did while it was up, and never up 5 s into silence", () => {
  const answers = fc.array(
    fc.tuple(fc.integer({ min: 1, max: 4_000 }), fc.constantFrom<Answer>("answered", "refused", "silent")),
    { maxLength: 60 },
  );
  fc.assert(fc.property(answers, (steps) => {
    const reach = new PeerReach();
    let nowMs = 0, heardMs = -Infinity, missedMs: number | undefined, wasUp = false;
    for (const [afterMs, answer] of steps) {
      nowMs += afterMs;
      reach.heard(answer, nowMs);
      if (answer === "answered") [heardMs, missedMs] = [nowMs, undefined];
      else missedMs ??= nowMs;
      const { state } = reach.state(nowMs);
      if (answer === "answered") assert.notEqual(state, "down");
      if (wasUp && state === "down") assert.ok(nowMs - heardMs >= 5_000);
      if (missedMs !== undefined && nowMs - missedMs >= 5_000) assert.equal(state, "down");
      wasUp = state === "up";
    }
  }));
});

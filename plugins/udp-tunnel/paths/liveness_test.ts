import assert from "node:assert/strict";
import fc from "fast-check";
import { Liveness } from "./liveness.ts";

const MS = 1_000;

/** A path that has been confirmed at 0. */
function alive(): Liveness {
  const path = new Liveness();
  path.sent(-20 * MS);
  path.confirmed(-20 * MS, 0);
  assert.equal(path.state, "up");
  return path;
}

/** Looks every 20 ms; says when the path became suspect, in milliseconds. */
function lookUntil(path: Liveness, fromMs: number, toMs: number, timeoutMs: number): number | undefined {
  for (let at = fromMs; at <= toMs; at += 20) if (path.look(timeoutMs * MS, at * MS)) return at;
}

Deno.test("what is not confirmed 150 ms later than a round trip may take makes its path suspect", () => {
  for (const [timeoutMs, atMs] of [[20, 180], [100, 260], [600, 760]] as const) {
    const path = alive();
    path.look(timeoutMs * MS, 0);
    path.sent(0);
    assert.equal(lookUntil(path, 20, 5_000, timeoutMs), atMs);
  }
});

Deno.test("what came before the silence counts from when it was sent, whenever its answer came", () => {
  const path = alive();
  path.look(0, 0);
  for (let at = 0; at <= 300; at += 10) path.sent(at * MS);
  path.confirmed(100 * MS, 240 * MS);
  // The packet of 110 ms is the first that nobody confirmed.
  assert.equal(lookUntil(path, 20, 5_000, 100), 360);
});

Deno.test("who sends nothing waits for nothing", () => {
  assert.equal(lookUntil(alive(), 0, 60_000, 20), undefined);
});

Deno.test("a loop that stood still blames nobody for it", () => {
  const path = alive();
  path.look(0, 0);
  path.sent(0);
  assert.equal(path.look(20 * MS, 900 * MS), false);
  assert.equal(path.state, "up");
});

Deno.test("a suspect path owes answers to what left after the suspicion, more with each time", () => {
  const path = alive();
  let nowMs = 0;
  const fall = () => {
    path.look(0, nowMs * MS);
    path.sent(nowMs * MS);
    nowMs = lookUntil(path, nowMs + 20, nowMs + 1_000, 20)!;
    assert.equal(path.state, "suspect");
  };
  const answers = () => {
    for (let count = 1; count < 40; count++) {
      nowMs += 100;
      if (path.confirmed((nowMs - 20) * MS, nowMs * MS)) return count;
    }
  };
  fall();
  path.confirmed((nowMs - 100) * MS, (nowMs + 1) * MS);
  assert.equal(path.state, "suspect", "what left before says nothing");
  assert.equal(answers(), 2);
  fall();
  assert.equal(answers(), 4);
  nowMs += 61_000;
  path.confirmed((nowMs - 1) * MS, nowMs * MS);
  fall();
  assert.equal(answers(), 2, "a minute forgives");
});

Deno.test("an answer that was seen, or is older than one seen, counts once", () => {
  fc.assert(fc.property(fc.array(fc.integer({ min: 0, max: 100 })), (times) => {
    const path = new Liveness();
    let newest = -1, nowUs = 1_000;
    for (const time of times) {
      const changed = path.confirmed(time, nowUs++);
      assert.equal(changed, newest < 0, "only the first one lifts an unknown path");
      newest = Math.max(newest, time);
    }
  }));
});

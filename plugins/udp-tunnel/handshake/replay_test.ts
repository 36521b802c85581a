import assert from "node:assert/strict";
import fc from "fast-check";
import { ClockLeap } from "../ends/clock_leap.ts";
import { COOKIE_GONE_MS, NewestQuestions, QuestionNumbers } from "./replay.ts";

/** A disk that may be full. */
class Disk {
  stored: string | undefined;
  isFull = false;
  writes = 0;
  readonly store = (text: string) => {
    this.writes++;
    if (this.isFull) return Promise.reject(new Error("no space"));
    this.stored = text;
    return Promise.resolve();
  };
}

async function next(questions: QuestionNumbers, nowMs: number): Promise<bigint> {
  for (let attempt = 0; attempt < 3; attempt++) {
    const number = questions.next(nowMs);
    if (number !== undefined) return number;
    await new Promise((resolve) => setTimeout(resolve));
  }
  throw new Error("no number came");
}

Deno.test("property: a box's questions are numbered upwards for ever, whatever its clock does and however often it starts", async () => {
  const event = fc.record({
    nowMs: fc.oneof(fc.nat(), fc.constantFrom(0, -5, 1.7e12, 1.7e12 + 1, 9e14)),
    restarts: fc.boolean(),
  });
  await fc.assert(fc.asyncProperty(fc.array(event, { maxLength: 30 }), async (events) => {
    const disk = new Disk();
    let questions = new QuestionNumbers(undefined, disk.store), last = -1n;
    for (const { nowMs, restarts } of events) {
      if (restarts) questions = new QuestionNumbers(disk.stored, disk.store);
      const number = await next(questions, nowMs);
      assert.ok(number > last, `${number} after ${last}`);
      assert.ok(number <= BigInt(disk.stored!), "it was stored before it was used");
      last = number;
    }
  }));
});

Deno.test("an hour of questions writes a handful of times, and a full disk does not stop them", async () => {
  const disk = new Disk();
  let questions = new QuestionNumbers(undefined, disk.store);
  for (let second = 0; second < 3_600; second += 2) await next(questions, 1.7e12 + second * 1_000);
  assert.ok(disk.writes < 10, `${disk.writes} times`);
  disk.isFull = true;
  const last = await next(questions, 1.7e12 + 7_200_000);
  questions = new QuestionNumbers(disk.stored, disk.store);
  assert.ok(await next(questions, 1.7e12 + 7_200_001) > last);
});

Deno.test("what is stored and makes no sense is as nothing", async () => {
  for (const stored of ["", "-1", "12x", "9".repeat(40)]) {
    assert.equal(await next(new QuestionNumbers(stored, new Disk().store), 7), 7_000n);
  }
});

Deno.test("of the keys of one box the least recently proved one gives way, and none that a cookie may still be good for", () => {
  const newest = new NewestQuestions(2);
  assert.ok(newest.take("a", 1n, 0) && newest.take("b", 1n, 1));
  newest.proved("a", 2);
  assert.equal(newest.take("c", 1n, COOKIE_GONE_MS - 1), false);
  assert.ok(newest.take("c", 1n, COOKIE_GONE_MS + 1));
  assert.deepEqual(["a", "b", "c"].map((key) => newest.of(key)), [1n, undefined, 1n]);
});

Deno.test("a clock that leaps against the other is seen once, and one that is slewed is not", () => {
  const clocks = new ClockLeap();
  assert.equal(clocks.haveLeapt(1_000, 1.7e12), false);
  for (let second = 1; second < 100; second++) {
    assert.equal(clocks.haveLeapt(1_000 + second * 1_000, 1.7e12 + second * 1_000.5), false);
  }
  assert.equal(clocks.haveLeapt(101_000, 1.7e12 + 3.6e6), true, "restored an hour later");
  assert.equal(clocks.haveLeapt(101_100, 1.7e12 + 3.6e6 + 100), false);
  assert.equal(clocks.haveLeapt(101_200, 1.7e12), true, "set back");
});

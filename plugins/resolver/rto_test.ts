import assert from "node:assert/strict";
import { Rto } from "./rto.ts";

/** A resolver that was asked every 100 ms and took `tookMs` each time. */
function usual(tookMs: number, count = 50): { rto: Rto; nowMs: number } {
  const rto = new Rto();
  let nowMs = 0;
  for (let asked = 0; asked < count; asked++) rto.answered(tookMs, nowMs += 100);
  return { rto, nowMs };
}

Deno.test("a cut that held thirty questions up for two seconds hardly changes how long the next one waits", () => {
  const { rto, nowMs } = usual(25);
  const beforeMs = rto.ms;
  for (let question = 0; question < 30; question++) rto.answered(2_000 - question * 10, nowMs + 2_000);
  assert.ok(rto.ms < beforeMs * 1.5, `${beforeMs} and then ${rto.ms} ms`);
});

Deno.test("a way that became slow for good is waited for within eight answers, up to the bound", () => {
  const { rto, nowMs } = usual(25);
  for (let answer = 1; answer <= 8; answer++) rto.answered(600, nowMs + 1_000 * answer);
  assert.ok(rto.ms > 600, `${rto.ms} ms`);
  for (let answer = 1; answer <= 50; answer++) rto.answered(3_000, nowMs + 10_000 * answer);
  assert.equal(rto.ms, 1_000);
});

Deno.test("the first answer, however late, leaves the timeout within its bound", () => {
  const rto = new Rto();
  rto.answered(4_000, 4_000);
  assert.equal(rto.ms, 1_000);
  for (let answer = 1; answer <= 30; answer++) rto.answered(20, 4_000 + 100 * answer);
  assert.ok(rto.ms < 200, `${rto.ms} ms`);
});

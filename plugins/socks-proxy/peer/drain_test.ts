import { strict as assert } from "node:assert";
import { drained } from "./drain.ts";

/** How long it took, in milliseconds. */
async function timed(carried: Parameters<typeof drained>[0], mostMs?: number): Promise<number> {
  const startedMs = performance.now();
  await drained(carried, mostMs);
  return performance.now() - startedMs;
}

/** Something that carries 10 kB every 20 ms until it is told to do otherwise. */
function flow(carried: Parameters<typeof drained>[0]): Disposable {
  const timer = setInterval(() => carried.bytesToPlain += 10_000, 20);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

const carried = (open: number) => ({ open, bytesToSealed: 0, bytesToPlain: 0 });

Deno.test("a peer that carries nothing stops at once, and one with idle streams does not wait for them", async () => {
  assert.ok(await timed(carried(0)) < 300);
  assert.ok(await timed(carried(500)) < 5_000, "idle streams held the stop for its whole time");
});

Deno.test("what flows may come to its end, for a bounded time", async () => {
  const ending = carried(2);
  using _one = flow(ending);
  let ended = false;
  setTimeout(() => {
    ended = true;
    ending.open = 0;
  }, 1_200);
  await drained(ending);
  assert.ok(ended, "the stream that flowed was cut");

  const endless = carried(1);
  using _other = flow(endless);
  const took = await timed(endless, 1_000);
  assert.ok(took >= 1_000 && took < 8_000, `${took} ms`);
});

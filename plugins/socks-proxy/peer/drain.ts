// What an orderly stop of the peer waits for: streams that flow may come to their end, those that only stand open may not.

/** How long it waits at most; the manifest's `stopSeconds` is more. */
export const DRAIN_MS = 10_000;
/** All streams together carry less than so many bytes between two looks: nobody waits for an answer's rest. */
const LOOK_MS = 500, FLOWING_BYTES = 8_192;

/** What is carried, as the counters of all relays have it. */
export interface Carried {
  open: number;
  bytesToSealed: number;
  bytesToPlain: number;
}

/** Resolves once nothing is carried, nothing flows any more, or the time is over. */
export async function drained(carried: Carried, mostMs = DRAIN_MS): Promise<void> {
  const bytes = () => carried.bytesToSealed + carried.bytesToPlain;
  const endMs = performance.now() + mostMs;
  while (carried.open > 0 && performance.now() < endMs) {
    const before = bytes();
    for (let waited = 0; waited < LOOK_MS && carried.open > 0; waited += STEP_MS) {
      await new Promise((resolve) => setTimeout(resolve, STEP_MS));
    }
    if (bytes() - before < FLOWING_BYTES) return;
  }
}

const STEP_MS = 50;

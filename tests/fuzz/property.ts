// Properties that run for a moment in the gate and for minutes by `./otb fuzz`: the same tests, told by their environment how long.
import fc from "fast-check";
import { cpuUsage } from "node:process";
import assert from "node:assert/strict";

/** How long each file of properties may take; absent: OTB_FUZZ_RUNS runs of each property. */
const minutes = Number(Deno.env.get("OTB_FUZZ_MINUTES") ?? 0);
const runs = Number(Deno.env.get("OTB_FUZZ_RUNS") ?? 100);
const seed = Deno.env.get("OTB_FUZZ_SEED");
/** Where a long run tells what it did, a line of JSON for each property. */
const told = Deno.env.get("OTB_FUZZ_TOLD");

/** What a long run tells of one property. */
export interface Told {
  name: string;
  runs: number;
  seed: number;
  failed: boolean;
}

let properties = 0;

/**
 * Registers a property over hostile input as a test.
 *
 * @param cost how many times slower one run is than that of a parser; the gate makes as many fewer
 */
export function fuzz<T>(
  name: string,
  input: fc.Arbitrary<T>,
  holds: (value: T) => void | Promise<void>,
  { cost = 1 }: { cost?: number } = {},
): void {
  properties++;
  Deno.test(`fuzz: ${name}`, async () => {
    const parameters: fc.Parameters<[T]> = {
      ...seed ? { seed: Number(seed) } : {},
      ...minutes > 0
        ? {
          numRuns: 2 ** 31 - 1,
          interruptAfterTimeLimit: minutes * 60_000 / properties,
          markInterruptAsFailure: false,
          // A failure is made small, but not for ever.
          ...{ skipAllAfterTimeLimit: minutes * 60_000 / properties + 60_000 },
        }
        : { numRuns: Math.max(5, Math.ceil(runs / cost)) },
    };
    const outcome = await fc.check(fc.asyncProperty(input, async (value) => await holds(value)), parameters);
    if (told) {
      const line: Told = { name, runs: outcome.numRuns, seed: outcome.seed, failed: outcome.failed };
      Deno.writeTextFileSync(told, `${JSON.stringify(line)}\n`, { append: true });
    }
    if (outcome.failed) {
      throw new Error(fc.defaultReportMessage(outcome) ?? "", { cause: outcome.errorInstance });
    }
  });
}

/** Processor time that no parser of a message needs, milliseconds; it is this process's own, however busy the machine is. */
const LONG_MS = 100;

/**
 * Runs it and asserts that it took no time to speak of: what takes steps beyond proportion to its input shows here.
 * What was slow once, by the compiler or the collector, may try again.
 */
export function swift<T>(run: () => T): T {
  let result = run();
  let leastMs = Infinity;
  for (let attempt = 0; attempt < 4; attempt++) {
    const before = cpuUsage();
    result = run();
    const { user, system } = cpuUsage(before);
    leastMs = Math.min(leastMs, (user + system) / 1000);
    if (leastMs < LONG_MS) return result;
  }
  return assert.fail(`it took ${leastMs} ms of processor time, four times in a row`);
}

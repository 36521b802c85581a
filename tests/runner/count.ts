// What `deno test` and `cargo test` print in the end, as numbers. Pure.

const DENO =
  /^(?:ok|FAILED) \| (\d+) passed(?: \([^)]*\))? \| (\d+) failed(?: \([^)]*\))?(?: \| (\d+) ignored)?/;
const CARGO = /^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored/;

/** Sums of closing lines: `ok | 12 passed (3 steps) | 1 failed | 2 ignored (3s)`, `test result: ok. 3 passed; 0 failed; 1 ignored`. */
export function countTests(output: string): { passed: number; failed: number; ignored: number } {
  const sum = { passed: 0, failed: 0, ignored: 0 };
  // deno-lint-ignore no-control-regex
  for (const line of output.replace(/\x1b\[[0-9;]*m/g, "").split("\n")) {
    const counts = DENO.exec(line) ?? CARGO.exec(line);
    if (!counts) continue;
    sum.passed += Number(counts[1]);
    sum.failed += Number(counts[2]);
    sum.ignored += Number(counts[3] ?? 0);
  }
  return sum;
}

/** The counts of a whole run: our own last line `12 passed, 0 failed` where there is one, otherwise the sum of the closing lines. */
export function closingCounts(output: string): { passed: number; failed: number } {
  const own = [...output.matchAll(/^(\d+) passed, (\d+) failed$/gm)].at(-1);
  return own ? { passed: Number(own[1]), failed: Number(own[2]) } : countTests(output);
}

import assert from "node:assert/strict";
import { countTests } from "./count.ts";

Deno.test("closing lines of deno test and cargo test are added up, other lines are not", () => {
  const output = `
something ... ok (3ms)
ok | 12 passed | 0 failed (1s)
\x1b[31mFAILED\x1b[0m | 3 passed (2 steps) | 1 failed (1 step) | 2 ignored (4ms)
this says ok | 99 passed | 0 failed in the middle
`;
  assert.deepEqual(countTests(output), { passed: 15, failed: 1, ignored: 2 });
  assert.deepEqual(
    countTests(
      "test result: FAILED. 3 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.01s",
    ),
    { passed: 3, failed: 1, ignored: 2 },
  );
  assert.deepEqual(countTests("error: Module not found"), { passed: 0, failed: 0, ignored: 0 });
});

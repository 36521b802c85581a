import assert from "node:assert/strict";
import { failures } from "./failures.ts";

Deno.test("the errors of each run are cut out, and nothing else", () => {
  const output = `running 2 tests from ./a_test.ts
one ... ok (1ms)
two ... FAILED (3ms)

 ERRORS 

two => ./a_test.ts:3:6
error: AssertionError: they carried 3 bytes

 FAILURES 

two => ./a_test.ts:3:6

FAILED | 1 passed | 1 failed (5ms)

failures:

---- queue::is_empty stdout ----
thread panicked at src/queue.rs:3

failures:
    queue::is_empty

test result: FAILED. 3 passed; 1 failed
`;
  assert.equal(
    failures(output),
    `two => ./a_test.ts:3:6
error: AssertionError: they carried 3 bytes

---- queue::is_empty stdout ----
thread panicked at src/queue.rs:3`,
  );
});

Deno.test("a run that lists no error shows what it printed last, and a long list is cut", () => {
  const lines = Array.from({ length: 100 }, (_, index) => `line ${index}`);
  assert.equal(failures(lines.join("\n")), lines.slice(76).join("\n"));
  const listed = failures(` ERRORS \n\n${lines.join("\n")}\n\n FAILURES \n`).split("\n");
  assert.deepEqual([listed[0], listed.length, listed.at(-1)], ["line 0", 25, "..."]);
  assert.equal(failures("x".repeat(1000)), `${"x".repeat(240)}...`);
});

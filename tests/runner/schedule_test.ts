// The order of the whole-system tests.
import assert from "node:assert/strict";
import { ALONE, schedule, slots } from "./schedule.ts";

const FILES = [...Deno.readDirSync(new URL("../system", import.meta.url))].map(({ name }) => name)
  .filter((name) => name.endsWith("_test.ts"));

Deno.test("every file is scheduled once; those that run alone are last, and exist", () => {
  const jobs = schedule(FILES.map((name) => `tests/system/${name}`));
  assert.deepEqual(jobs.map(({ name }) => name.replace("tests/system/", "")).sort(), FILES.toSorted());
  const firstAlone = jobs.findIndex(({ alone }) => alone);
  assert.ok(jobs.slice(firstAlone).every(({ alone }) => alone));
  assert.equal(jobs.length - firstAlone, Object.keys(ALONE).length);
});

Deno.test("one more than there are cores at once, fewer where memory is short, and always one", () => {
  assert.equal(slots(2, 24e9), 2);
  assert.equal(slots(2, 2e9), 1);
  assert.equal(slots(16, 1e9), 1);
});

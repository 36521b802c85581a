// The pool of test programs: what it counts, what it lets run together, and that nothing is left when it is stopped.
import assert from "node:assert/strict";
import { type Outcome, type PoolOptions, runPool, type Task } from "./pool.ts";

const sh = (name: string, script: string, more: Partial<Task> = {}): Task => ({
  name,
  command: ["sh", "-c", script],
  tests: true,
  ...more,
});
const GOOD = "echo 'ok | 2 passed | 0 failed (1s)'";

async function run(tasks: Task[], more: Partial<PoolOptions> = {}) {
  const log: string[] = [];
  const outcomes = await runPool(tasks, {
    slots: 2,
    cwd: "/",
    signal: new AbortController().signal,
    boundMs: 60_000,
    tidy: () => Promise.resolve(),
    onBegin: ({ name }) => log.push(`+${name}`),
    onEnd: ({ name }, _, text) => log.push(`-${name}`, text),
    ...more,
  });
  return { log, outcomes: new Map(outcomes.map((outcome) => [outcome.name, outcome])) };
}

const counts = (outcome: Outcome | undefined) => [outcome?.passed, outcome?.failed];

Deno.test("closing counts are added up; who dies, fails, says nothing or does not exist has failed", async () => {
  const { outcomes } = await run([
    sh("good", GOOD),
    sh("bad", "echo 'FAILED | 3 passed | 2 failed (1s)'; exit 1"),
    sh("own", `${GOOD}; echo '7 passed, 0 failed'`),
    sh("dies", `${GOOD}; kill -9 $$`),
    sh("fails without a failed test", `${GOOD}; exit 1`),
    sh("silent", "true"),
    sh("none", "echo 'ok | 0 passed | 0 failed (1s)'"),
    { name: "missing", command: ["/nonexistent/program"], tests: true },
    sh("no tests", "true", { tests: false }),
    sh("no tests, and broken", "false", { tests: false }),
  ]);
  assert.deepEqual(Object.fromEntries([...outcomes].map(([name, outcome]) => [name, counts(outcome)])), {
    "good": [2, 0],
    "bad": [3, 2],
    "own": [7, 0],
    "dies": [2, 1],
    "fails without a failed test": [2, 1],
    "silent": [0, 1],
    "none": [0, 1],
    "missing": [0, 1],
    "no tests": [0, 0],
    "no tests, and broken": [0, 1],
  });
});

Deno.test("no more than the slots at once, who is alone has no neighbour, and who waits for another begins after it", async () => {
  const running = new Set<string>();
  const seen: string[] = [];
  await run([
    sh("tools", GOOD),
    sh("gate", GOOD, { after: ["tools"] }),
    sh("a", GOOD),
    sh("alone", GOOD, { alone: true }),
    sh("b", GOOD),
  ], {
    onBegin: ({ name }) => {
      running.add(name);
      seen.push([...running].join(" "));
    },
    onEnd: ({ name }) => running.delete(name),
  });
  assert.ok(seen.every((names) => names.split(" ").length <= 2), seen.join("; "));
  assert.deepEqual(seen.filter((names) => /alone/.test(names)), ["alone"]);
  assert.ok(!seen.some((names) => /tools/.test(names) && /gate/.test(names)), seen.join("; "));
  assert.ok(seen.some((names) => names.split(" ").length === 2), "they do run side by side");
});

Deno.test("who stands behind takes no slot from the others", async () => {
  let most = 0;
  const running = new Set<string>();
  await run([
    sh("behind", "sleep 1; " + GOOD, { behind: true }),
    sh("a", "sleep 0.3; " + GOOD),
    sh("b", "sleep 0.3; " + GOOD),
  ], {
    onBegin: ({ name }) => most = Math.max(most, running.add(name).size),
    onEnd: ({ name }) => running.delete(name),
  });
  assert.equal(most, 3);
});

/** Processes whose command line has a text. */
function processesWith(text: string): number {
  return [...Deno.readDirSync("/proc")].filter(({ name }) => {
    try {
      const command = /^\d+$/.test(name) && Deno.readTextFileSync(`/proc/${name}/cmdline`);
      return command && command.includes(text);
    } catch {
      return false;
    }
  }).length;
}

Deno.test("stopped or hung, a task ends with all that it started, and its temporary folder goes", async () => {
  for (const how of ["stopped", "hung"]) {
    const mark = `6${crypto.getRandomValues(new Uint32Array(1))[0]}`;
    const stop = new AbortController();
    const told = Promise.withResolvers<string>();
    let text = "";
    const running = run([sh("one", `sleep ${mark} & echo "$TMPDIR"; touch $TMPDIR/file; sleep ${mark}`)], {
      signal: stop.signal,
      boundMs: how === "hung" ? 1_000 : 60_000,
      onOutput: (piece) => (text += piece).includes("\n") && told.resolve(text.trim()),
    });
    const folder = await told.promise;
    assert.ok(Deno.statSync(folder).isDirectory);
    if (how === "stopped") {
      assert.ok(processesWith(mark) > 0);
      stop.abort();
    }
    const { outcomes, log } = await running;
    assert.deepEqual(counts(outcomes.get("one")), [0, 1]);
    assert.equal(processesWith(mark), 0);
    assert.throws(() => Deno.statSync(folder), Deno.errors.NotFound);
    assert.equal(log.some((line) => /it hung/.test(line)), how === "hung");
  }
});

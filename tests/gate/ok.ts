// `deno task ok`: the one gate, the same here and in CI. Every step counts as one check, every test as one; the last
// line is `N passed, N failed`.
import { fileURLToPath } from "node:url";
import { countTests } from "../runner/count.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");
const rooms = ["core", "plugins", "webui", "cloud", "image", "tests"].filter((room) =>
  exists(`${ROOT}/${room}`)
);

interface Step {
  name: string;
  command: string[];
  /** The program may be missing; then the step is left out and said so. */
  optional?: boolean;
  /** What it prints ends with counts of tests. */
  tests?: boolean;
}

interface Finished {
  success: boolean;
  signal: Deno.Signal | null;
  text: string;
}

const deno = Deno.execPath();
// Two lanes side by side, as cargo allows only one of its own kind at a time.
const lanes: Step[][] = [[
  { name: "format", command: [deno, "fmt", "--check", "--quiet"] },
  // Plugins have the name and version that a package has, but nobody publishes them: slow types harm nobody.
  { name: "lint", command: [deno, "lint", "--quiet", "--rules-exclude=no-slow-types"] },
  { name: "types", command: [deno, "check", "--quiet", ...rooms] },
  { name: "generated docs", command: [deno, "run", "-A", "--quiet", "tests/gate/docs.ts", "--check"] },
  {
    name: "unit tests",
    // Without folders: where some are named, what they contain is not ignored.
    command: [deno, "test", "-A", "--no-check", "--quiet", "--ignore=tests/system,.cache,target"],
    tests: true,
  },
], [
  { name: "Rust format", command: ["cargo", "fmt", "--all", "--check"], optional: true },
  {
    name: "Rust lint",
    command: ["cargo", "clippy", "--release", "--locked", "--quiet", "--workspace", "--", "-D", "warnings"],
    optional: true,
  },
  {
    name: "Rust tests",
    command: ["cargo", "test", "--release", "--locked", "--quiet", "--workspace"],
    optional: true,
    tests: true,
  },
]];

let passed = 0;
let failed = 0;
const summary: string[] = [];
await Promise.all(lanes.map(async (lane) => {
  for (const step of lane) await take(step);
}));
console.log(`\n${summary.join("\n")}\n${passed} passed, ${failed} failed`);
Deno.exit(failed > 0 || passed === 0 ? 1 : 0);

async function take(step: Step): Promise<void> {
  const begun = performance.now();
  const output = await run(step.command, step.tests ?? false);
  const seconds = ((performance.now() - begun) / 1000).toFixed(1);
  if (!output || step.optional && /no such (sub)?command|is not installed/.test(output.text)) {
    if (!step.optional) throw new Error(`Cannot run ${step.command[0]} as it is missing`);
    summary.push(`-   ${step.name}: left out, ${step.command.slice(0, 2).join(" ")} is missing`);
    return;
  }
  const counts = step.tests ? countTests(output.text) : undefined;
  // A run that dies before its closing counts is one failure; so is one that fails without a failed test.
  const bad = counts ? Math.max(counts.failed, output.success ? 0 : 1) : output.success ? 0 : 1;
  const good = counts ? counts.passed : output.success ? 1 : 0;
  passed += good;
  failed += bad;
  const died = counts && !output.success && counts.failed === 0
    ? `, the run died${output.signal ? ` of ${output.signal}` : ""} before its end`
    : "";
  const ignored = counts?.ignored ? `, ${counts.ignored} ignored` : "";
  summary.push(
    `${bad === 0 ? "ok " : "BAD"} ${step.name}${
      counts ? `: ${good} passed, ${bad} failed${ignored}${died}` : ""
    } (${seconds} s)`,
  );
  if (bad > 0 && !step.tests) console.error(`\n--- ${step.name}\n${output.text.trimEnd()}\n`);
}

/** Runs a program; shows what it prints at once with `show`. Undefined when there is no such program. */
async function run(
  [program, ...args]: string[],
  show: boolean,
): Promise<Finished | undefined> {
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command(program!, {
      args,
      cwd: ROOT,
      env: { NO_COLOR: "1" },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  let text = "";
  const collect = async (stream: ReadableStream<Uint8Array>) => {
    for await (
      const piece of stream.pipeThrough(new TextDecoderStream() as never) as ReadableStream<string>
    ) {
      text += piece;
      if (show) Deno.stderr.writeSync(new TextEncoder().encode(piece));
    }
  };
  await Promise.all([collect(child.stdout), collect(child.stderr)]);
  const { success, signal } = await child.status;
  return { success, signal, text };
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}

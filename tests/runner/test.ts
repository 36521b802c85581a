// `otb test`: the gate and the whole-system tests side by side, counted together; the last line is what CI reads.
import { failures } from "./failures.ts";
import { sweepDeadLabs } from "../lab/lab.ts";
import { type Outcome, runPool, type Task } from "./pool.ts";
import { schedule, slots } from "./schedule.ts";

const ROOT = new URL("../..", import.meta.url).pathname.replace(/\/$/, "");

const HELP = `Usage: sudo ./otb test [--unit | --system | --only TEXT] [--jobs N]

Runs everything: format, lint, types, architecture, generated docs and unit tests (deno task ok), and the
whole-system tests in network namespaces, several at once. What each printed is shown when it has ended.
The last line counts them all.

  --unit        only what deno task ok runs
  --system      only the whole-system tests
  --only TEXT   only the whole-system tests of files whose path contains TEXT
  --jobs N      how many run at once (default: as many as there are cores, if there is memory for them)

Example: sudo ./otb test --only dhcp
`;

/** Far beyond what any file takes on any machine. */
const BOUND_MS = 20 * 60_000;

interface Options {
  unit: boolean;
  system: boolean;
  only?: string;
  jobs: number;
}

/** Runs the tests; the exit status is 1 when one failed. */
export async function test(args: string[]): Promise<number> {
  if (args.includes("--help") || args.includes("-h")) {
    console.log(HELP);
    return 0;
  }
  const options = parse(args);
  if (typeof options === "string") {
    console.error(`otb: Cannot run the tests as ${options}\n  next: ./otb test --help`);
    return 2;
  }
  const tasks = [...options.unit ? gate() : [], ...options.system ? system(options.only) : []];
  if (tasks.length === 0) {
    const names = systemFiles().map((path) => path.replace(/^.*\//, "").replace("_test.ts", ""));
    console.error(
      `otb: Cannot run the tests as no file's path contains the text: current value is "${options.only}"\n  next: ./otb test --only TEXT, with a part of ${
        names.join(", ")
      }`,
    );
    return 2;
  }
  const stopped = new AbortController();
  const stop = () => stopped.abort();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) Deno.addSignalListener(signal, stop);
  const live = tasks.length === 1;
  const write = (text: string) => Deno.stdout.writeSync(new TextEncoder().encode(text));
  let done = 0;
  const reasons: string[] = [];
  const begun = performance.now();
  const outcomes = await runPool(tasks, {
    slots: options.jobs,
    cwd: ROOT,
    signal: stopped.signal,
    boundMs: BOUND_MS,
    tidy: sweepDeadLabs,
    onBegin: ({ name }) => live || console.error(`otb: ${name} begins`),
    onOutput: live ? write : undefined,
    onEnd: ({ name }, outcome, text) => {
      if (outcome.failed > 0) reasons.push(`--- why ${name} failed\n${failures(text)}\n`);
      if (!live) write(`\n--- ${name}\n${text.trim()}\n`);
      console.error(`otb: ${told(outcome)}, ${++done} of ${tasks.length}`);
    },
  });
  if (stopped.signal.aborted) {
    console.error("otb: interrupted; everything is taken away");
    return 130;
  }
  const seconds = Math.round((performance.now() - begun) / 1000);
  console.log(`\n${outcomes.map(told).join("\n")}\nin ${seconds} s, ${options.jobs} at once\n`);
  // Once more, as the last lines are what everybody reads, and all that some keep.
  if (!live && reasons.length > 0) console.log(reasons.join("\n"));
  const passed = outcomes.reduce((sum, outcome) => sum + outcome.passed, 0);
  const failed = outcomes.reduce((sum, outcome) => sum + outcome.failed, 0);
  console.log(`${passed} passed, ${failed} failed`);
  return failed > 0 || passed === 0 ? 1 : 0;
}

function told({ name, passed, failed, seconds }: Outcome): string {
  const counts = passed + failed > 0 ? `: ${passed} passed, ${failed} failed` : "";
  return `${failed > 0 ? "BAD" : "ok "} ${name}${counts} (${seconds.toFixed(1)} s)`;
}

/** Runs a command with what the others leave of the processors, also where the kernel shares them by session (sched(7), autogroup). */
const LAST = 'echo 19 2>/dev/null >/proc/self/autogroup; exec nice -n 19 "$@"';

/** The gate; what its tests speak with is built first, while others run. */
function gate(): Task[] {
  const tools = "tools to test against";
  return [
    {
      name: tools,
      command: ["sh", "-c", LAST, "sh", `${ROOT}/otb`, "build", "tools"],
      behind: true,
      tests: false,
    },
    {
      name: "the gate",
      command: [Deno.execPath(), "run", "-A", "--quiet", `${ROOT}/tests/gate/ok.ts`],
      after: [tools],
      tests: true,
    },
  ];
}

function system(only = ""): Task[] {
  return schedule(systemFiles().filter((path) => path.includes(only))).map(({ name, alone }) => ({
    name,
    alone,
    command: [Deno.execPath(), "test", "-A", "--no-check", "--quiet", `${ROOT}/${name}`],
    tests: true,
  }));
}

function systemFiles(): string[] {
  return [...Deno.readDirSync(`${ROOT}/tests/system`)].filter(({ name }) => /_test\.tsx?$/.test(name))
    .map(({ name }) => `tests/system/${name}`).sort();
}

function parse(args: string[]): Options | string {
  const available = Deno.systemMemoryInfo().available;
  const options: Options = {
    unit: true,
    system: true,
    jobs: slots(navigator.hardwareConcurrency, available),
  };
  const words = [...args];
  const named: string[] = [];
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    if (word === "--unit") options.system = false;
    else if (word === "--system") options.unit = false;
    else if (word === "--only" || word === "--jobs") {
      const value = words.shift();
      if (!value) return `${word} needs a value`;
      if (word === "--only") {
        options.only = value;
        options.unit = false;
      } else if (/^[1-9]\d?$/.test(value)) options.jobs = Number(value);
      else return `--jobs must be 1 to 99: current value is "${value}"`;
    } else return `the option is unknown: current value is "${word}"`;
    named.push(word);
  }
  const parts = named.filter((word) => word !== "--jobs");
  if (new Set(parts).size > 1) return `only one of --unit, --system and --only may be given`;
  return options;
}

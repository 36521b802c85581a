// Runs programs side by side, so many at once, and shows what each printed when it has ended. Each is a process group of its
// own with a temporary folder of its own: when it ends, or the pool is stopped, nothing of it is left.
import { closingCounts } from "./count.ts";

/** One program to run. */
export interface Task {
  name: string;
  command: string[];
  /** Nothing else runs beside it. */
  alone?: boolean;
  /** It makes do with what others leave of the processors, and takes no slot. */
  behind?: boolean;
  /** Names of tasks that must have ended before. */
  after?: string[];
  /** It runs tests and prints their counts; otherwise it only has to succeed, and counts when it does not. */
  tests: boolean;
}

/** How one ended. */
export interface Outcome {
  name: string;
  passed: number;
  failed: number;
  seconds: number;
}

/** How the pool runs. */
export interface PoolOptions {
  /** At most so many at once. */
  slots: number;
  cwd: string;
  /** Told when one begins and when one ends, with everything that it printed. */
  onBegin(task: Task): void;
  onEnd(task: Task, outcome: Outcome, text: string): void;
  /** Told of every piece at once, where only one task is to run. */
  onOutput?(piece: string): void;
  /** Takes away what a task that has ended may have left elsewhere. */
  tidy(): Promise<void>;
  /** Ends everything. */
  signal: AbortSignal;
  /** No program takes that long on any machine: one that does hangs, is ended, and has failed. */
  boundMs: number;
}

/** Runs all tasks, in their order as far as they may; answers in the order in which they ended. */
export async function runPool(tasks: Task[], options: PoolOptions): Promise<Outcome[]> {
  const waiting = [...tasks];
  const running = new Map<Task, Promise<void>>();
  const outcomes: Outcome[] = [];
  const ended = (name: string) => !waiting.concat(...running.keys()).some((task) => task.name === name);
  const mayBegin = (task: Task) =>
    (task.after ?? []).every(ended) &&
    (running.size === 0 || !task.alone && ![...running.keys()].some(({ alone }) => alone));
  while (!options.signal.aborted) {
    while ([...running.keys()].filter(({ behind }) => !behind).length < options.slots) {
      const next = waiting.find(mayBegin);
      if (!next) break;
      waiting.splice(waiting.indexOf(next), 1);
      options.onBegin(next);
      running.set(
        next,
        runTask(next, options).then(({ outcome, text }) => {
          running.delete(next);
          outcomes.push(outcome);
          if (!options.signal.aborted) options.onEnd(next, outcome, text);
        }),
      );
    }
    if (running.size === 0) break;
    await Promise.race(running.values());
  }
  await Promise.all(running.values());
  return outcomes;
}

async function runTask(task: Task, options: PoolOptions): Promise<{ outcome: Outcome; text: string }> {
  const begun = performance.now();
  // Short: sockets lie below it, and their paths have 107 characters at most (unix(7)).
  const folder = await Deno.makeTempDir({ prefix: "otbt" });
  let text = "";
  // Where both are read at once their lines may mix; counts stand on standard output.
  let standard = "";
  let success = false;
  let hung = false;
  try {
    const [program = "", ...args] = task.command;
    const child = new Deno.Command(program, {
      args,
      cwd: options.cwd,
      env: { TMPDIR: folder, NO_COLOR: "1" },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      // Its own process group: it ends when the pool says so, as a whole, and not by the terminal's Ctrl-C in between.
      detached: true,
    }).spawn();
    const end = () => endGroup(child.pid);
    const bound = setTimeout(() => {
      hung = true;
      end();
    }, options.boundMs);
    options.signal.addEventListener("abort", end, { once: true });
    const collect = async (stream: ReadableStream<Uint8Array>) => {
      for await (const piece of stream.pipeThrough(new TextDecoderStream())) {
        text += piece;
        if (stream === child.stdout) standard += piece;
        options.onOutput?.(piece);
      }
    };
    const collecting = Promise.all([collect(child.stdout), collect(child.stderr)]);
    ({ success } = await child.status);
    // Whatever it left behind would hold its output open.
    end();
    await collecting;
    clearTimeout(bound);
    options.signal.removeEventListener("abort", end);
  } catch (error) {
    text += `Cannot run ${task.command[0]}: ${(error as Error).message}\n`;
  } finally {
    await options.tidy();
    await removeFolder(folder);
  }
  const seconds = (performance.now() - begun) / 1000;
  if (hung) text += `Ended as it hung: nothing takes ${options.boundMs / 1000} s\n`;
  return { outcome: { name: task.name, ...counts(task, success, standard), seconds }, text };
}

/** A run that dies before its closing counts, fails without a failed test, or ran no test at all is one failure. */
function counts({ tests }: Task, success: boolean, output: string): { passed: number; failed: number } {
  if (!tests) return { passed: 0, failed: success ? 0 : 1 };
  const { passed, failed } = closingCounts(output);
  return { passed, failed: Math.max(failed, success && passed > 0 ? 0 : 1) };
}

/** Ends a process group that may be gone. */
function endGroup(pid: number): void {
  try {
    Deno.kill(-pid, "SIGKILL");
  } catch {
    // It ended by itself.
  }
}

/** Removes a folder, and first what was mounted in it. */
async function removeFolder(folder: string): Promise<void> {
  const mounted = Deno.readTextFileSync("/proc/mounts").split("\n").map((line) => line.split(" ")[1] ?? "")
    .filter((path) => path.startsWith(`${folder}/`));
  for (const path of mounted.toReversed()) {
    await new Deno.Command("umount", { args: ["--lazy", path], stderr: "null" }).output();
  }
  await Deno.remove(folder, { recursive: true }).catch(() => {});
}

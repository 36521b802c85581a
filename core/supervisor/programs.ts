// Programs that plugins have run: dnsmasq, unbound. The core starts them, with few rights, so that they outlive their plugin as
// its claims do: what a killed plugin left runs on, and its next run goes on with it. They outlive a killed core, too: who starts
// one first writes its own record, by which the next core finds it, goes on with it or ends it. There are never two of one.
import { createHash } from "node:crypto";
import { OtbError, type ProgramSpec } from "../contract/mod.ts";
import { startTicks } from "./process.ts";

/** How long it may take to end in order. */
const END_MS = 2_000;
const POLL_MS = 200;
/** What a program said is kept until it is this long; who listens has heard it by then. */
const MAX_SAID_BYTES = 256 * 1024;
const RECORD = ".program";
/** Writes who runs here and as what, then becomes the program (field 22 of proc_pid_stat(5) tells it from who has its number later). */
const BEGIN = 'record=$1 mark=$2; exec 2>>"$3"; shift 3; stat=$(cat /proc/$$/stat) && ' +
  'echo "$mark $stat" >"$record.new" && mv "$record.new" "$record" && exec "$@"';
/** How long that may take on a busy machine. */
const BEGIN_MS = 20_000;

/** Told of what programs say and of those that ended by themselves. */
export interface ProgramWatch {
  said(key: string, lines: string[]): void;
  ended(key: string, reason: string): void;
}

interface Running {
  pid: number;
  /** What it was started as. */
  mark: string;
  stop(): void;
}

/** The programs of one plugin. */
export class Programs {
  #running = new Map<string, Running>();
  #queue: Promise<unknown> = Promise.resolve();

  /**
   * @param allowed names of programs that the plugin's manifest declares
   * @param run where records lie
   */
  constructor(
    private readonly plugin: string,
    private readonly allowed: string[],
    private readonly run: string,
    private readonly watch: ProgramWatch,
  ) {}

  /** Whether exactly this runs; whatever else runs under the key is ended. Nothing is to run: no spec. */
  keep(key: string, spec: ProgramSpec | null): Promise<boolean> {
    return this.#alone(async () => {
      const record = readRecord(this.#record(key));
      const mark = spec && markOf(spec);
      const running = this.#running.get(key);
      if (record && record.mark === mark) {
        if (running?.pid !== record.pid) {
          running?.stop();
          this.#follow(key, record);
        }
        return true;
      }
      await this.#end(key);
      return false;
    });
  }

  /** Starts it in place of whatever runs under the key. @throws OtbError `program-not-declared` */
  start(key: string, spec: ProgramSpec): Promise<void> {
    return this.#alone(async () => {
      const [program = ""] = spec.command;
      if (!this.allowed.includes(program) || !/^[a-z0-9-]{1,32}$/.test(key)) {
        throw new OtbError(
          "program-not-declared",
          `Cannot run a program as the manifest of "${this.plugin}" must declare it: current value is "${program}"`,
        );
      }
      await this.#end(key);
      const said = `${this.run}/${this.plugin}.${key}.said`;
      Deno.writeTextFileSync(said, "", { mode: 0o600 });
      const { withinSeconds, capabilities } = spec;
      // A program that becomes another user loses what the kernel would end it by: timeout keeps it.
      const within = withinSeconds === undefined
        ? []
        : ["timeout", "--foreground", "--kill-after=2", String(Math.max(1, Math.ceil(withinSeconds)))];
      const mark = markOf(spec);
      const child = new Deno.Command("setpriv", {
        args: [
          ...["--no-new-privs", "--inh-caps=-all"],
          `--bounding-set=-all${capabilities.map((name) => `,+${name}`).join("")}`,
          ...["sh", "-c", BEGIN, "sh", this.#record(key), mark, said],
          ...within,
          ...spec.command,
        ],
        stdin: "piped",
        stdout: "null",
        stderr: "null",
        // Own session: it is ended with all that it started, and outlives us.
        detached: true,
        clearEnv: true,
        env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C" },
      }).spawn();
      child.unref();
      this.#follow(key, { pid: child.pid, mark }, child.status);
      await this.#begun(key, child.pid);
      const writer = child.stdin.getWriter();
      await writer.write(new TextEncoder().encode(spec.input)).then(() => writer.close()).catch(() => {});
    });
  }

  /** Ends all but those under these keys. */
  async keepOnly(keys: ReadonlySet<string>): Promise<void> {
    await this.#alone(async () => {
      const known = new Set([...this.#running.keys(), ...recorded(this.run, this.plugin)]);
      for (const key of known) if (!keys.has(key)) await this.#end(key);
    });
  }

  /** Leaves them running: the core ends, its successor takes over. */
  abandon(): void {
    for (const { stop } of this.#running.values()) stop();
    this.#running.clear();
  }

  /** Waits for its record: what has none could not be found again. */
  async #begun(key: string, pid: number): Promise<void> {
    const end = performance.now() + BEGIN_MS;
    while (this.#running.get(key)?.pid === pid && readRecord(this.#record(key))?.pid !== pid) {
      if (performance.now() > end) signal(-pid, "SIGKILL");
      await wait(5);
    }
  }

  async #end(key: string): Promise<void> {
    this.#running.get(key)?.stop();
    this.#running.delete(key);
    await endProgram(this.#record(key));
  }

  /** Tells of what it says, and of its end. */
  #follow(key: string, { pid, mark }: { pid: number; mark: string }, status?: Promise<unknown>): void {
    const tail = new Tail(`${this.run}/${this.plugin}.${key}.said`, (lines) => this.watch.said(key, lines));
    const running = { pid, mark, stop: () => tail.close() };
    this.#running.set(key, running);
    const ended = status ?? gone(pid, () => this.#running.get(key) === running);
    ended.then(() => {
      if (this.#running.get(key) !== running) return;
      this.#running.delete(key);
      tail.close();
      this.watch.ended(key, tail.last || "it said nothing");
    }, () => {});
  }

  #record(key: string): string {
    return `${this.run}/${this.plugin}.${key}${RECORD}`;
  }

  #alone<T>(body: () => Promise<T>): Promise<T> {
    const done = this.#queue.then(body);
    this.#queue = done.catch(() => {});
    return done;
  }
}

/** Ends the programs that records name, of all plugins but these; for cleaning up. */
export async function endPrograms(run: string, except: string[] = []): Promise<void> {
  for (const name of recordsIn(run)) {
    if (!except.some((plugin) => name.startsWith(`${plugin}.`))) await endProgram(`${run}/${name}`);
  }
}

/** Follows a file that grows, line by line. */
class Tail {
  last = "";
  #file: Deno.FsFile | undefined;
  #rest = "";
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(path: string, private readonly onLines: (lines: string[]) => void) {
    try {
      this.#file = Deno.openSync(path, { read: true, write: true });
    } catch {
      // Somebody removed it: nothing is heard.
      return;
    }
    this.#timer = setInterval(() => this.#drain(), POLL_MS);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#drain();
    this.#file?.close();
    this.#file = undefined;
  }

  #drain(): void {
    const chunk = new Uint8Array(16_384);
    for (;;) {
      const length = this.#file?.readSync(chunk) ?? 0;
      if (length === 0) break;
      const lines = (this.#rest + new TextDecoder().decode(chunk.subarray(0, length))).split("\n");
      // A line without an end is not kept for ever.
      this.#rest = lines.pop()!.slice(-4_096);
      if (lines.length === 0) continue;
      this.last = lines.at(-1)!;
      this.onLines(lines);
    }
    if (this.#rest !== "") this.last = this.#rest;
    if ((this.#file?.seekSync(0, Deno.SeekMode.Current) ?? 0) < MAX_SAID_BYTES) return;
    this.#file!.truncateSync();
    this.#file!.seekSync(0, Deno.SeekMode.Start);
  }
}

function markOf({ command, capabilities, input }: ProgramSpec): string {
  return createHash("sha256").update(JSON.stringify([command, capabilities, input])).digest("hex").slice(
    0,
    32,
  );
}

async function endProgram(record: string): Promise<void> {
  const there = readRecord(record);
  if (there) {
    const end = performance.now() + END_MS;
    signal(there.pid, "SIGTERM");
    while (readRecord(record) && performance.now() < end) await wait(10);
    // Whatever it started too: timeout(1) ended the hard way leaves what it watched.
    signal(-there.pid, "SIGKILL");
    while (readRecord(record)) await wait(5);
  }
  try {
    Deno.removeSync(record);
  } catch {
    // There was none.
  }
}

/** Who runs by a record, if that very process is still there. */
function readRecord(record: string): { pid: number; mark: string } | undefined {
  try {
    const [mark = "", pidText, ...stat] = Deno.readTextFileSync(record).split(" ");
    const pid = Number(pidText);
    const ticks = stat.join(" ").split(") ")[1]!.split(" ")[19];
    return ticks !== undefined && startTicks(pid) === ticks ? { pid, mark } : undefined;
  } catch {
    return undefined;
  }
}

function recordsIn(run: string): string[] {
  try {
    return [...Deno.readDirSync(run)].map(({ name }) => name).filter((name) => name.endsWith(RECORD));
  } catch {
    return [];
  }
}

function recorded(run: string, plugin: string): string[] {
  return recordsIn(run).filter((name) => name.startsWith(`${plugin}.`))
    .map((name) => name.slice(plugin.length + 1, -RECORD.length));
}

async function gone(pid: number, isAsked: () => boolean): Promise<void> {
  const ticks = startTicks(pid);
  while (ticks !== undefined && startTicks(pid) === ticks && isAsked()) await wait(POLL_MS);
}

function signal(pid: number, name: Deno.Signal): void {
  try {
    Deno.kill(pid, name);
  } catch {
    // It is gone.
  }
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

// One operating-system process of a plugin: spawned in its sandbox or found still running after a core crash,
// spoken to over its own socket, watched, stopped.
import { texts } from "../contract/command.ts";
import { OtbError } from "../contract/mod.ts";
import type { Manifest } from "./manifest.ts";
import type { Hello } from "./protocol.ts";
import { type Handler, listenUnix, Rpc } from "./rpc.ts";
import { sandboxFlags } from "./sandbox.ts";

/** To start another one in its place would only make a busy machine busier. */
const CONNECT_MS = 60_000;
const PING_EVERY_MS = 5_000;
const PING_TIMEOUT_MS = 10_000;
const MEMORY_AGE_MS = 3_000;
/** How much of what a dying process printed is kept for the reason of its crash. */
const STDERR_TAIL = 2_000;

/** Where plugin processes live. */
export interface Places {
  /** Sockets and process records; a short path. */
  run: string;
  /** Parent of the plugins' own directories. */
  data: string;
  /** Root of the otb tree, for deno.json. */
  root: string;
  nativeLibrary: string;
}

/** The end of what a process printed on its error output; empty for one taken over from an earlier core. */
interface LastWords {
  text: string;
}

/** A process and its connection; `ended` tells once why it is over. */
export class PluginProcess {
  /** Resolves with the reason when the process is gone, for whatever cause. */
  readonly ended: Promise<string>;
  #end = Promise.withResolvers<string>();
  #reason: string | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  #memoryBytes: number | undefined;
  #measuredMs = -Infinity;

  private constructor(
    readonly pid: number,
    readonly rpc: Rpc,
    readonly hello: Hello,
    private readonly record: string,
    private readonly said: LastWords,
  ) {
    this.ended = this.#end.promise;
    void this.#watch();
  }

  /**
   * Proportional set size in bytes (proc_pid_smaps(5)), undefined when it can't be read; some seconds old at most, as the kernel
   * walks through all pages for it and whoever watches a status asks often.
   */
  memoryBytes(): number | undefined {
    const nowMs = performance.now();
    if (nowMs - this.#measuredMs > MEMORY_AGE_MS) {
      this.#measuredMs = nowMs;
      this.#memoryBytes = proportionalMemory(this.pid);
    }
    return this.#memoryBytes;
  }

  /** Asks for an orderly stop, then ends the process; at once what does not stop within so many seconds. */
  async stop(withinSeconds: number): Promise<void> {
    this.#reason ??= "stopped";
    try {
      await this.rpc.call("stop", undefined, withinSeconds * 1000);
      await Promise.race([this.ended, new Promise((resolve) => setTimeout(resolve, 500))]);
    } catch {
      // A plugin that can't stop by itself is ended below.
    }
    this.kill("stopped");
    await this.ended;
  }

  /** Ends the process at once; `reason` becomes what `ended` tells. */
  kill(reason: string): void {
    this.#reason ??= reason;
    try {
      Deno.kill(this.pid, "SIGKILL");
    } catch {
      // It is gone already.
    }
    this.rpc.close();
  }

  async #watch(): Promise<void> {
    const ping = async () => {
      try {
        await this.rpc.call("ping", undefined, PING_TIMEOUT_MS);
        this.#timer = setTimeout(ping, PING_EVERY_MS);
      } catch (error) {
        if ((error as OtbError).code === "timeout") {
          this.kill(`hung: no answer within ${PING_TIMEOUT_MS / 1000} s`);
        }
      }
    };
    this.#timer = setTimeout(ping, PING_EVERY_MS);
    await this.rpc.closed;
    clearTimeout(this.#timer);
    // A plugin without a connection can't be led: it is ended, whatever it still does.
    const deadline = performance.now() + 1_000;
    while (alive(this.pid) && performance.now() < deadline && this.#reason === undefined) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    try {
      Deno.kill(this.pid, "SIGKILL");
    } catch {
      // It is gone already.
    }
    while (alive(this.pid)) await new Promise((resolve) => setTimeout(resolve, 5));
    Deno.remove(this.record).catch(() => {});
    // What it printed may arrive a moment after its end.
    await new Promise((resolve) => setTimeout(resolve, 20));
    this.#end.resolve(this.#reason ?? (lastError(this.said.text) || "ended by itself or was killed"));
  }

  /** Whether an earlier core left its process running. */
  static isLeft(name: string, places: Places): boolean {
    return readRecord(`${places.run}/${name}.pid`) !== undefined;
  }

  /**
   * Takes over the process that an earlier core left running, or spawns a new one.
   *
   * @param handlers what the core answers the plugin
   * @throws OtbError `plugin-silent` when it does not connect in time
   */
  static async open(
    manifest: Manifest,
    places: Places,
    handlers: Record<string, Handler>,
  ): Promise<PluginProcess> {
    const socket = `${places.run}/${manifest.name}.sock`;
    const record = `${places.run}/${manifest.name}.pid`;
    const directory = `${places.data}/${manifest.name}`;
    Deno.mkdirSync(directory, { recursive: true, mode: 0o700 });
    const listener = listenUnix(socket);
    try {
      const left = readRecord(record);
      if (left !== undefined) {
        const taken = await PluginProcess.#accept(listener, left, record, handlers, { text: "" }, 1_500);
        if (taken?.hello.started) return taken;
        taken?.kill("left half started by an earlier core");
        endRecorded(record);
      }
      const child = spawn(manifest, places, { socket, directory, nativeLibrary: places.nativeLibrary });
      writeRecord(record, child.pid);
      const said = { text: "" };
      (async () => {
        for await (const text of texts(child.stderr, STDERR_TAIL)) {
          said.text = (said.text + text).slice(-STDERR_TAIL);
        }
      })().catch(() => {});
      const gone = child.status.then(() => undefined);
      const process = await PluginProcess.#accept(
        listener,
        child.pid,
        record,
        handlers,
        said,
        CONNECT_MS,
        gone,
      );
      if (!process) {
        endRecorded(record);
        await gone;
        throw new OtbError(
          "plugin-silent",
          `Cannot start plugin "${manifest.name}" as it did not connect: ${
            lastError(said.text) || "it said nothing"
          }`,
        );
      }
      return process;
    } finally {
      listener.close();
    }
  }

  static async #accept(
    listener: Deno.UnixListener,
    pid: number,
    record: string,
    handlers: Record<string, Handler>,
    said: LastWords,
    timeoutMs: number,
    gone?: Promise<undefined>,
  ): Promise<PluginProcess | undefined> {
    const { promise: hello, resolve } = Promise.withResolvers<Hello>();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const timeout = new Promise<undefined>((resolve) =>
      timer = setTimeout(() => resolve(undefined), timeoutMs)
    );
    const pending = [timeout, ...(gone ? [gone] : [])];
    const accepting = listener.accept();
    // A listener closed while this waits refuses it; nobody is interested any more.
    accepting.catch(() => {});
    const stream = await Promise.race([accepting, ...pending]);
    let rpc: Rpc | undefined;
    let greeting: Hello | undefined;
    if (stream) {
      rpc = new Rpc(stream, { ...handlers, hello: (said: Hello) => resolve(said) });
      greeting = await Promise.race([hello, ...pending, rpc.closed.then(() => undefined)]);
    }
    clearTimeout(timer);
    if (!rpc || !greeting || greeting.pid !== pid) {
      rpc?.close();
      return undefined;
    }
    return new PluginProcess(pid, rpc, greeting, record, said);
  }
}

function spawn(
  manifest: Manifest,
  places: Places,
  where: { socket: string; directory: string; nativeLibrary: string },
) {
  const entry = [
    `import plugin from ${JSON.stringify(new URL(`file://${manifest.directory}/mod.ts`).href)};`,
    `import { host } from ${JSON.stringify(new URL("./host.ts", import.meta.url).href)};`,
    `await host(plugin, ${JSON.stringify(where.socket)});`,
  ].join("\n");
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", ...sandboxFlags(manifest, where), `--config=${places.root}/deno.json`, "-", manifest.name],
    cwd: where.directory,
    stdin: "piped",
    stdout: "null",
    stderr: "piped",
    // Own session: Ctrl-C in the core's terminal must not reach it, and it outlives a killed core.
    detached: true,
    clearEnv: true,
    env: pluginEnvironment(),
  }).spawn();
  const writer = child.stdin.getWriter();
  writer.write(new TextEncoder().encode(entry)).then(() => writer.close()).catch(() => {});
  return child;
}

/** The few variables Deno itself needs; nothing of the core's environment leaks into a plugin. */
export function pluginEnvironment(): Record<string, string> {
  const environment: Record<string, string> = {
    NO_COLOR: "1",
    DENO_NO_UPDATE_CHECK: "1",
    PATH: "/usr/sbin:/usr/bin:/sbin:/bin",
    // As the core has it (the launcher says why).
    MALLOC_ARENA_MAX: "2",
    MALLOC_MMAP_THRESHOLD_: "32768",
    MALLOC_TRIM_THRESHOLD_: "65536",
  };
  for (const name of ["DENO_DIR", "HOME", "XDG_CACHE_HOME"]) {
    const value = Deno.env.get(name);
    if (value !== undefined) environment[name] = value;
  }
  return environment;
}

/** Ends the process that a record names, if it still is that process; for cleaning up without a running core. */
export function endRecorded(record: string): void {
  const pid = readRecord(record);
  if (pid !== undefined) {
    try {
      Deno.kill(pid, "SIGKILL");
    } catch {
      // Gone between the look and the kill.
    }
  }
  try {
    Deno.removeSync(record);
  } catch {
    // There was none.
  }
}

function writeRecord(record: string, pid: number): void {
  Deno.writeTextFileSync(record, JSON.stringify({ pid, startTicks: startTicks(pid) }));
}

/** The recorded process id, if that very process is still alive: ids are reused, start times are not. */
function readRecord(record: string): number | undefined {
  try {
    const { pid, startTicks: then } = JSON.parse(Deno.readTextFileSync(record));
    return then !== undefined && startTicks(pid) === then ? pid : undefined;
  } catch {
    return undefined;
  }
}

/** Field 22 of proc_pid_stat(5): start time in clock ticks since boot; undefined for a dead or zombie process. */
export function startTicks(pid: number): string | undefined {
  try {
    const fields = Deno.readTextFileSync(`/proc/${pid}/stat`).split(") ")[1]!.split(" ");
    return fields[0] === "Z" ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

function alive(pid: number): boolean {
  return startTicks(pid) !== undefined;
}

/** Proportional set size of a process in bytes (proc_pid_smaps(5)). */
export function proportionalMemory(pid: number): number | undefined {
  try {
    const match = /^Pss:\s+(\d+) kB/m.exec(Deno.readTextFileSync(`/proc/${pid}/smaps_rollup`));
    return match ? Number(match[1]) * 1024 : undefined;
  } catch {
    return undefined;
  }
}

/** The line of a dying process's last words that says why. */
function lastError(stderr: string): string {
  const lines = stderr.split("\n").map((line) => line.trim()).filter((line) => line !== "");
  return lines.find((line) => /error|panic|Fatal/i.test(line)) ?? lines.at(-1) ?? "";
}

// unbound as a process: started without a shell, watched, started again, never outliving the plugin.

/** Waits until an unbound that ended is started again; the last one repeats. */
const RESTART_MS = [100, 300, 1_000, 3_000];
/** A run this long forgets earlier ends. */
const HEALTHY_MS = 30_000;
const READY_MS = 10_000;
/** What root keeps for unbound, which becomes its own user by itself (capabilities(7)). */
const CAPABILITIES = ["setuid", "setgid", "kill"];

/** One supervised unbound. */
export class Unbound {
  #child: Deno.ChildProcess | undefined;
  #ends = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #stopped = false;

  /** @param onEnd it ended by itself; with its last words, or undefined once it runs again */
  constructor(
    private readonly config: string,
    private readonly onEnd: (reason: string | undefined) => void,
  ) {}

  /** Starts it and waits until it listens, or long enough. */
  async start(): Promise<void> {
    if (this.#stopped) return;
    const startedMs = performance.now();
    const child = new Deno.Command("setpriv", {
      args: [
        // The kernel ends what runs when we end (prctl(2)); unbound would lose that with its user, so timeout has it.
        "--pdeathsig=TERM",
        "--no-new-privs",
        "--inh-caps=-all",
        `--bounding-set=-all,${CAPABILITIES.map((name) => `+${name}`).join(",")}`,
        "timeout",
        "--foreground",
        "--kill-after=2",
        "0",
        "unbound",
        // To stderr, and the configuration from a pipe: AppArmor lets it read few directories.
        "-dd",
        "-c",
        "/dev/stdin",
      ],
      stdin: "piped",
      stdout: "null",
      stderr: "piped",
      clearEnv: true,
      env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C" },
    }).spawn();
    this.#child = child;
    const ready = Promise.withResolvers<void>();
    let last = "";
    const reading = (async () => {
      let rest = "";
      for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) {
        const lines = (rest + text).split("\n");
        rest = lines.pop()!.slice(-4_096);
        for (const line of lines) {
          last = line.replace(/^\[\d+\] unbound\[[\d:]+\] /, "");
          if (!last.includes("start of service")) continue;
          this.onEnd(undefined);
          ready.resolve();
        }
      }
    })().catch(() => {});
    void (async () => {
      await child.status;
      await reading;
      ready.resolve();
      if (this.#stopped) return;
      if (performance.now() - startedMs > HEALTHY_MS) this.#ends = 0;
      this.onEnd(last || "it said nothing");
      const waitMs = RESTART_MS[Math.min(this.#ends++, RESTART_MS.length - 1)];
      this.#timer = setTimeout(() => void this.start().catch((error) => this.onEnd(String(error))), waitMs);
    })();
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(this.config)).then(() => writer.close()).catch(() => {});
    const timer = setTimeout(() => ready.resolve(), READY_MS);
    await ready.promise;
    clearTimeout(timer);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    try {
      this.#child?.kill("SIGTERM");
    } catch {
      // It ended by itself.
    }
    await this.#child?.status;
  }
}

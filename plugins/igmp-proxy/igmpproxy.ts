// igmpproxy as a process: started without a shell and with few rights, watched, started again, never outliving the plugin.

/** Waits until an igmpproxy that ended is started again; the last one repeats. */
const RESTART_MS = [100, 300, 1_000, 3_000];
/** A run this long forgets earlier ends. */
const HEALTHY_MS = 30_000;
/** What root keeps for it: the kernel's multicast routes, and raw sockets (capabilities(7)). */
const CAPABILITIES = ["net_admin", "net_raw"];

/** One supervised igmpproxy, or none. */
export class IgmpProxy {
  #child: Deno.ChildProcess | undefined;
  #wanted: string | undefined;
  #ends = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param onEnd it ended by itself; with its last words, or undefined once it runs again */
  constructor(private readonly onEnd: (reason: string | undefined) => void) {}

  /** Has it run with this configuration, or not at all; one that is unchanged runs on. */
  async apply(config: string | undefined): Promise<void> {
    if (config === this.#wanted) return;
    clearTimeout(this.#timer);
    this.#wanted = config;
    this.#ends = 0;
    const child = this.#child;
    this.#child = undefined;
    try {
      child?.kill("SIGTERM");
    } catch {
      // It ended by itself.
    }
    // One at a time may route multicast (MRT_INIT in multicast routing's ip(7)).
    await child?.status;
    if (config !== undefined) this.#start(config);
  }

  #start(config: string): void {
    const startedMs = performance.now();
    let child: Deno.ChildProcess;
    try {
      child = new Deno.Command("setpriv", {
        args: [
          "--pdeathsig=TERM",
          "--no-new-privs",
          "--inh-caps=-all",
          `--bounding-set=-all,${CAPABILITIES.map((name) => `+${name}`).join(",")}`,
          ...["igmpproxy", "-n", "-d", "/dev/stdin"],
        ],
        stdin: "piped",
        stdout: "null",
        stderr: "piped",
        clearEnv: true,
        env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C" },
      }).spawn();
    } catch (error) {
      this.onEnd(String(error));
      return this.#startLater(config);
    }
    this.#child = child;
    let last = "";
    const reading = (async () => {
      let rest = "";
      for await (const text of child.stderr.pipeThrough(new TextDecoderStream())) {
        const lines = (rest + text).split("\n");
        rest = lines.pop()!.slice(-4_096);
        last = lines.at(-1) || last;
      }
    })().catch(() => {});
    const healthy = setTimeout(() => child === this.#child && this.onEnd(undefined), RESTART_MS.at(-1));
    void (async () => {
      await child.status;
      await reading;
      clearTimeout(healthy);
      if (child !== this.#child) return;
      this.#child = undefined;
      if (performance.now() - startedMs > HEALTHY_MS) this.#ends = 0;
      this.onEnd(last || "it said nothing");
      this.#startLater(config);
    })();
    const writer = child.stdin.getWriter();
    void writer.write(new TextEncoder().encode(config)).then(() => writer.close()).catch(() => {});
  }

  #startLater(config: string): void {
    const waitMs = RESTART_MS[Math.min(this.#ends++, RESTART_MS.length - 1)];
    this.#timer = setTimeout(() => this.#wanted === config && this.#start(config), waitMs);
  }
}

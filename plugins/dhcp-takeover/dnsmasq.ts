// dnsmasq as a process: started without a shell and with few rights, watched, started again, never outliving the plugin.

/** Waits until a dnsmasq that ended is started again; the last one repeats. */
const RESTART_MS = [100, 300, 1_000, 3_000];
/** A run this long forgets earlier ends. */
const HEALTHY_MS = 30_000;
/** How long it may take to say that it has started. */
const READY_MS = 5_000;
/** What root keeps for dnsmasq: its ports and sets, and to become its own user (capabilities(7)); it sheds most of it itself. */
const CAPABILITIES = ["net_admin", "net_raw", "net_bind_service", "setuid", "setgid", "chown", "kill"];

/** What it tells of itself. */
export interface Watcher {
  /** Just before every start: what it reads is put in order. */
  onStart?(): void;
  /** It has its sockets and serves. */
  onReady?(): void;
  /** One line of its log. */
  onLine?(line: string): void;
  /** It ended by itself; `reason` is its last line. */
  onEnd(reason: string): void;
}

/** One supervised dnsmasq, or none. */
export class Dnsmasq {
  #child: Deno.ChildProcess | undefined;
  #wanted: string | undefined;
  #deadlineMs = Infinity;
  #ends = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly watcher: Watcher) {}

  /**
   * Has it run with this configuration, or not at all; one that is unchanged runs on. What keeps it from running is told to
   * the watcher, and tried again for as long as it is wanted.
   * @param withinMs it ends by then whatever becomes of us
   */
  async apply(config: string | undefined, withinMs = Infinity): Promise<void> {
    if (config === this.#wanted) return;
    clearTimeout(this.#timer);
    this.#wanted = config;
    this.#deadlineMs = performance.now() + withinMs;
    this.#ends = 0;
    await this.#stop();
    if (config !== undefined) await this.#tryStart();
  }

  async #tryStart(): Promise<void> {
    try {
      await this.#start();
    } catch (error) {
      // The disk may be full, say.
      this.watcher.onEnd(String(error));
      if (!this.#child && this.#wanted !== undefined) this.#startLater();
    }
  }

  async #start(): Promise<void> {
    const config = this.#wanted!;
    this.watcher.onStart?.();
    const startedMs = performance.now();
    const leftMs = this.#deadlineMs - startedMs;
    const child = new Deno.Command("setpriv", {
      args: [
        // The kernel ends what runs when we end (prctl(2)); dnsmasq would lose that with its user, so timeout has it.
        "--pdeathsig=TERM",
        "--no-new-privs",
        "--inh-caps=-all",
        `--bounding-set=-all,${CAPABILITIES.map((name) => `+${name}`).join(",")}`,
        "timeout",
        "--foreground",
        "--kill-after=2",
        // 0 is for ever (timeout(1)).
        leftMs === Infinity ? "0" : String(Math.max(1, Math.ceil(leftMs / 1000))),
        "dnsmasq",
        "--conf-file=-",
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
        // A line without an end is not kept for ever.
        rest = lines.pop()!.slice(-4_096);
        for (const line of lines) {
          last = line;
          // It says so when its sockets are there.
          if (/^dnsmasq-dhcp\[\d+\]: DHCP, sockets bound/.test(line)) {
            ready.resolve();
            if (child === this.#child) this.watcher.onReady?.();
          }
          this.watcher.onLine?.(line);
        }
      }
    })().catch(() => {});
    void (async () => {
      await child.status;
      await reading;
      ready.resolve();
      this.#ended(child, last, performance.now() - startedMs);
    })();
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(config)).then(() => writer.close()).catch(() => {});
    let timer: ReturnType<typeof setTimeout> | undefined;
    await Promise.race([ready.promise, new Promise((resolve) => timer = setTimeout(resolve, READY_MS))]);
    clearTimeout(timer);
  }

  async #stop(): Promise<void> {
    const child = this.#child;
    if (!child) return;
    this.#child = undefined;
    try {
      child.kill("SIGTERM");
    } catch {
      // It ended by itself.
    }
    await child.status;
  }

  #ended(child: Deno.ChildProcess, last: string, ranMs: number): void {
    if (child !== this.#child) return;
    this.#child = undefined;
    if (ranMs > HEALTHY_MS) this.#ends = 0;
    this.watcher.onEnd(last.replace(/^dnsmasq(-\w+)?\[\d+\]: /, "") || "it said nothing");
    this.#startLater();
  }

  #startLater(): void {
    const waitMs = RESTART_MS[Math.min(this.#ends++, RESTART_MS.length - 1)];
    this.#timer = setTimeout(() => void this.#tryStart(), waitMs);
  }
}

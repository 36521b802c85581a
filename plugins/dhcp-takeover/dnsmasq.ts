// dnsmasq as a process: started without a shell and with few rights, watched, started again, never outliving the plugin.
import type { LeaseFile } from "./lease_file.ts";

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
  /** One line of its log. */
  onLine(line: string): void;
  /** It ended by itself; `reason` is its last line. */
  onEnd(reason: string): void;
}

/** One supervised dnsmasq, or none. */
export class Dnsmasq {
  #child: Deno.ChildProcess | undefined;
  #wanted: string | undefined;
  #running: string | undefined;
  #deadlineSeconds = 0;
  #ends = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly leases: LeaseFile, private readonly watcher: Watcher) {}

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /**
   * Has it run with this configuration, or not at all; one that is unchanged runs on.
   * @param deadlineSeconds it ends by then whatever becomes of us; 0 for never
   */
  async apply(config: string | undefined, deadlineSeconds = 0): Promise<void> {
    if (config === this.#wanted && (config === undefined || this.#child)) return;
    clearTimeout(this.#timer);
    this.#wanted = config;
    this.#deadlineSeconds = deadlineSeconds;
    this.#ends = 0;
    await this.#stop();
    if (config !== undefined) await this.#start();
  }

  async #start(): Promise<void> {
    const config = this.#wanted!;
    this.leases.restore();
    const startedMs = performance.now();
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
        String(Math.ceil(this.#deadlineSeconds)),
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
    this.#running = config;
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
          if (/^dnsmasq-dhcp\[\d+\]: DHCP, sockets bound/.test(line)) ready.resolve();
          this.watcher.onLine(line);
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
    this.#running = undefined;
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
    this.#running = undefined;
    if (ranMs > HEALTHY_MS) this.#ends = 0;
    const waitMs = RESTART_MS[Math.min(this.#ends++, RESTART_MS.length - 1)];
    this.watcher.onEnd(last.replace(/^dnsmasq(-\w+)?\[\d+\]: /, "") || "it said nothing");
    this.#timer = setTimeout(
      () => void this.#start().catch((error) => this.watcher.onEnd(String(error))),
      waitMs,
    );
  }

  async close(): Promise<void> {
    await this.apply(undefined);
  }
}

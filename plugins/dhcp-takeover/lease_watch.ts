// The leases as they are now: dnsmasq's file followed, and a copy of it kept.
import type { Context } from "@otb/plugin";
import type { Config } from "./config.ts";
import { LeaseFile } from "./lease_file.ts";
import { type Lease, parseLeases, shiftLeases } from "./leases.ts";

/** The file is looked at this soon after dnsmasq wrote it: a burst becomes one look. */
const SETTLE_MS = 20;
/** A clock that is set right by less takes nobody's lease. */
const JUMP_MS = 30_000;

/** Follows the lease file in the plugin's own directory. */
export class LeaseWatch {
  readonly file: LeaseFile;
  #current: Lease[];
  #watcher: Deno.FsWatcher;
  /** How far the system's clock is ahead of the one that never jumps. */
  #apartMs: number;
  #settle: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly ctx: Context<Config>, private readonly onChange: () => void) {
    this.file = new LeaseFile(ctx.directory);
    // Who comes back with a lease of before has it from the start.
    this.#current = parseLeases(this.file.readBoth());
    this.#apartMs = this.#apartNowMs;
    this.#watcher = Deno.watchFs(ctx.directory, { recursive: false });
    this.#watch().catch((error) =>
      ctx.log.error("Cannot follow the lease file; it is read at each change", { reason: String(error) })
    );
  }

  get current(): Lease[] {
    return this.#current;
  }

  /** The system's clock jumped: dnsmasq, which counts leases by it, may end all or none. */
  get jumped(): boolean {
    return Math.abs(this.#apartNowMs - this.#apartMs) > JUMP_MS;
  }

  /** Lets leases end when their devices think so, by the clock of now; only while dnsmasq does not run. */
  followJump(): void {
    const { ctx: { clock, log } } = this;
    const apartMs = this.#apartNowMs;
    const beforeMs = clock.monotonicMs() + this.#apartMs;
    const text = shiftLeases(
      this.file.read(),
      this.#current,
      beforeMs / 1000,
      (clock.monotonicMs() + apartMs) / 1000,
    );
    this.file.restore(text);
    log.info("The system's clock jumped; leases end as much later or earlier", {
      byMs: Math.round(apartMs - this.#apartMs),
    });
    this.#apartMs = apartMs;
    this.#current = parseLeases(text);
  }

  get #apartNowMs(): number {
    return this.ctx.clock.now() - this.ctx.clock.monotonicMs();
  }

  /** Takes what the file says now; soon again where it is just being written. */
  async take(): Promise<void> {
    this.#settle = undefined;
    // What dnsmasq makes of another time is not what devices were told.
    if (this.jumped) return;
    try {
      const text = await this.file.keep();
      if (text === undefined) return this.#soon();
      this.#current = parseLeases(text);
      this.onChange();
    } catch (error) {
      this.ctx.log.error("Cannot keep a copy of the leases", { reason: String(error) });
    }
  }

  close(): void {
    this.#watcher.close();
    clearTimeout(this.#settle);
  }

  async #watch(): Promise<void> {
    for await (const { paths } of this.#watcher) if (paths.includes(this.file.path)) this.#soon();
  }

  #soon(): void {
    this.#settle ??= setTimeout(() => void this.take(), SETTLE_MS);
  }
}

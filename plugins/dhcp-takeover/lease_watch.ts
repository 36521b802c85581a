// The leases as they are now: dnsmasq's file followed, and a copy of it kept.
import type { Context } from "../../core/plugin.ts";
import type { Config } from "./config.ts";
import { LeaseFile } from "./lease_file.ts";
import { type Lease, parseLeases } from "./leases.ts";

/** The file is looked at this soon after dnsmasq wrote it: a burst becomes one look. */
const SETTLE_MS = 20;

/** Follows the lease file in the plugin's own directory. */
export class LeaseWatch {
  readonly file: LeaseFile;
  #current: Lease[];
  #watcher: Deno.FsWatcher;
  #settle: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly ctx: Context<Config>, private readonly onChange: () => void) {
    this.file = new LeaseFile(ctx.directory);
    // Who comes back with a lease of before has it from the start.
    this.#current = parseLeases(this.file.readBoth());
    this.#watcher = Deno.watchFs(ctx.directory, { recursive: false });
    void this.#watch();
  }

  get current(): Lease[] {
    return this.#current;
  }

  /** Takes what the file says now; soon again where it is just being written. */
  async take(): Promise<void> {
    this.#settle = undefined;
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

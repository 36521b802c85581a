// Reads what links carry: by every beat from interfaces that are one link's alone, and by nft(8) only where they are shared.
import type { Native } from "../../core/native/ffi.ts";
import { type Lan, type Log, runCommand } from "@otb/plugin";
import { type Bytes, parseCounters, parseDevices, Rates, sharing, TABLE } from "./carried.ts";
import type { UsableLink } from "./routing.ts";

/** Told of a link's rates since the last look, bits per second. */
export type OnRates = (link: string, rates: Bytes & { elapsedMs: number }) => void;

/** Keeps the last counts. */
export class Counting {
  readonly #rates = new Rates();
  #isCounting = false;

  constructor(
    private readonly native: Pick<Native, "carried">,
    private readonly log: Log,
    private readonly onRates: OnRates,
  ) {}

  /** Looks at interfaces that carry one link and nothing else. */
  look(links: UsableLink[], lan: Lan | undefined, nowMs: number): void {
    const devices = parseDevices(this.native.carried());
    const shared = new Set(sharing(links, lan));
    this.#rates.keep(new Set(links.map(({ link }) => link.name)));
    for (const used of links) {
      const bytes = devices.get(used.link.interface);
      if (bytes && !shared.has(used)) this.#take(used, bytes, nowMs);
    }
  }

  /** Looks at the others, by the table that `counters` claims; never throws. */
  async lookShared(links: UsableLink[], lan: Lan | undefined): Promise<void> {
    const shared = sharing(links, lan);
    if (shared.length === 0 || this.#isCounting) return;
    this.#isCounting = true;
    try {
      const { success, stdout } = await runCommand("nft", {
        args: ["-j", "list", "counters", "table", "inet", TABLE],
        stderr: "null",
      });
      const counted = success ? parseCounters(stdout) : new Map<number, Bytes>();
      for (const used of shared) {
        const bytes = counted.get(used.slot);
        if (bytes) this.#take(used, bytes, performance.now());
      }
    } catch (error) {
      this.log.debug("Cannot count what links carry", { reason: String(error) });
    } finally {
      this.#isCounting = false;
    }
  }

  #take({ link: { name, interface: device } }: UsableLink, bytes: Bytes, nowMs: number): void {
    const rates = this.#rates.take(name, device, bytes, nowMs);
    if (rates) this.onRates(name, rates);
  }
}

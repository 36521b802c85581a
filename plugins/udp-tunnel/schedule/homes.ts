// Where each bulk flow lives: spread over the near paths, or alone on one far path. Pure.
//
// A path that is much slower than the nearest one makes a download over both slower than over the near ones alone:
// its window has to cover the longest delay. A download of its own fills such a path well, though. So it gets
// whole flows, and only new ones while the near paths are crowded and it offers the newcomer more.
import { FLOWS } from "./classify.ts";

/** The home of flows that are spread over the near paths; the far path p is home p + 1. */
export const NEAR = 0;

/** Beats of silence after which a flow may move. */
const SETTLED_BEATS = 20;

/** Homes of all flows, and how many live where. */
export class Homes {
  readonly #home = new Uint8Array(FLOWS);
  readonly #beatOf = new Uint32Array(FLOWS);
  readonly #rates: Float64Array;
  readonly #fair: Float64Array;
  /** Active flows by home: so far in this beat, and in the last. */
  readonly #flows: Uint32Array;
  readonly #lastFlows: Uint32Array;
  #beat = SETTLED_BEATS + 1;

  constructor(paths: number) {
    this.#rates = new Float64Array(paths + 1);
    this.#fair = new Float64Array(paths + 1).fill(Infinity);
    this.#flows = new Uint32Array(paths + 1);
    this.#lastFlows = new Uint32Array(paths + 1);
  }

  /** Begins a beat of about 100 ms. */
  beat(): void {
    this.#beat++;
    this.#lastFlows.set(this.#flows);
    this.#flows.fill(0);
    this.#share();
  }

  /** Sets the rate of a home in bits per second; 0 makes it uninhabitable. */
  setRate(home: number, bitsPerSecond: number): void {
    this.#rates[home] = bitsPerSecond;
    this.#share();
  }

  /** What each flow of that home could have if all had the same. */
  fairBitsPerSecond(home: number): number {
    return this.#fair[home]!;
  }

  /** The home of a flow that sends now. @param isCrowded whether the near paths have no room */
  of(flow: number, isCrowded: boolean): number {
    const home = this.#home[flow]!;
    const beats = this.#beat - this.#beatOf[flow]! >>> 0;
    if (beats === 0 && (home === NEAR || this.#rates[home]! > 0)) return home;
    const stays = beats < SETTLED_BEATS && (home === NEAR || this.#rates[home]! > 0);
    const next = stays ? home : isCrowded ? this.#roomiest() : NEAR;
    this.#home[flow] = next;
    this.#beatOf[flow] = this.#beat;
    this.#flows[next]!++;
    return next;
  }

  #roomiest(): number {
    let best = NEAR, bestRate = 0;
    for (let home = 0; home < this.#rates.length; home++) {
      const flows = Math.max(this.#flows[home]!, this.#lastFlows[home]!);
      const rate = this.#rates[home]! / (flows + 1);
      if (rate > bestRate) [best, bestRate] = [home, rate];
    }
    return best;
  }

  #share(): void {
    for (let home = 0; home < this.#rates.length; home++) {
      this.#fair[home] = this.#rates[home]! / Math.max(1, this.#lastFlows[home]!);
    }
  }
}

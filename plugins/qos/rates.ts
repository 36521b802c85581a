// The rates of one link, both ways: what a person said, what a test found, what delay under load teaches. Pure.
import type { Link, PathDirection } from "@otb/plugin";
import { Autorate } from "./autorate.ts";
import type { Carried } from "./counters.ts";

/** A test finds what fits at all; queues stay short a little below. */
const TESTED_SHARE = 0.85;
/** The peer holds downstream below what this box lets in, so that the queue, and who comes first in it, is the peer's. */
const DOWN_SHARE = 0.95;
/** The tunnel measures by what its ends tell each other, which is in the class of calls: two packets may be before it. */
const OWN_QUEUE_BITS = 2 * 1514 * 8, LEAST_OWN_QUEUE_MS = 2;
/** What the tunnel says counts this long; after the second it is no longer there to say anything. */
const FRESH_MS = 1_000, GONE_MS = 30_000;

/** What a speed test found. */
export interface Tested {
  downBitsPerSecond: number;
  upBitsPerSecond: number;
  /** Milliseconds since the epoch. */
  atMs: number;
}

/** Settings that rates follow. */
export interface RateSettings {
  enforceRates: boolean;
  autorate: boolean;
  hold: "calls" | "always";
  delayThresholdMs: number;
}

/** What the tunnel measures on the link; `ageMs` since it last said so. */
export interface Seen {
  up?: PathDirection;
  down?: PathDirection;
  ageMs: number;
}

/** One link's rates. */
export class LinkRates {
  /** What the link carries, bits per second. */
  carriedUp = 0;
  carriedDown = 0;
  #begun = "";
  #up = new Autorate();
  #down = new Autorate();
  #bounds: { up?: number; down?: number } = {};
  #starts: { up?: number; down?: number } = {};
  #counted: { carried: Carried; atMs: number } | undefined;
  #isFollowing = false;
  /** What is learned is also held. */
  #isHolding = false;

  constructor(private settings: RateSettings) {}

  /** What to hold the link to, bits per second; undefined where nobody knows. */
  get up(): number | undefined {
    return this.#rate(this.#up, this.#starts.up, this.#bounds.up);
  }

  get down(): number | undefined {
    return this.#rate(this.#down, this.#starts.down, this.#bounds.down);
  }

  #rate({ rateBitsPerSecond }: Autorate, start?: number, bound?: number): number | undefined {
    if (!this.#isFollowing) return least(start, bound);
    return this.#isHolding ? rateBitsPerSecond : bound;
  }

  /** What this box lets in at most: the person's word. */
  get arrivalCap(): number | undefined {
    return this.#bounds.down === undefined ? undefined : this.#bounds.down / DOWN_SHARE;
  }

  /** Takes the settings and the last test of the link; where rates that are known change, it begins anew. */
  set(
    { upMbps, downMbps }: Pick<Link, "upMbps" | "downMbps">,
    tested: Tested | undefined,
    settings: RateSettings,
  ): void {
    const { enforceRates, autorate } = this.settings = settings;
    const said = { up: bits(upMbps), down: bits(downMbps, DOWN_SHARE) };
    const begun = JSON.stringify([said, tested, enforceRates, autorate]);
    if (begun === this.#begun) return;
    this.#begun = begun;
    this.#bounds = enforceRates ? said : {};
    const found = {
      up: tested && tested.upBitsPerSecond * TESTED_SHARE,
      down: tested && tested.downBitsPerSecond * TESTED_SHARE,
    };
    this.#up = new Autorate(least(said.up, found.up));
    this.#down = new Autorate(least(said.down, found.down));
    this.#starts = { up: found.up, down: found.down };
    this.#isFollowing &&= autorate;
  }

  /**
   * Takes what was seen since the last time.
   * @param isCalled somebody wants short queues now
   */
  beat(seen: Seen | undefined, counted: Carried | undefined, isCalled: boolean, nowMs: number): void {
    this.#count(counted, nowMs);
    if (!this.settings.autorate) return;
    this.#isFollowing = seen !== undefined && seen.ageMs < GONE_MS;
    if (seen === undefined || seen.ageMs > FRESH_MS || !counted) return;
    this.#isHolding = isCalled || this.settings.hold === "always";
    const step = this.#isHolding ? "beat" : "watch";
    const own = (bits = Infinity) => LEAST_OWN_QUEUE_MS + OWN_QUEUE_BITS / bits * 1000;
    const common = { nowMs, thresholdMs: this.settings.delayThresholdMs };
    this.#up[step]({
      ...common,
      ownQueueMs: own(this.#up.rateBitsPerSecond),
      queueMs: seen.up?.queueMs,
      carriedBitsPerSecond: this.carriedUp,
      isCountedBefore: true,
      mostBitsPerSecond: this.#bounds.up,
    });
    this.#down[step]({
      ...common,
      ownQueueMs: own(this.#down.rateBitsPerSecond),
      queueMs: seen.down?.queueMs,
      carriedBitsPerSecond: this.carriedDown,
      mostBitsPerSecond: this.#bounds.down,
    });
  }

  #count(carried: Carried | undefined, atMs: number): void {
    const former = this.#counted;
    this.#counted = carried && { carried, atMs };
    const ms = atMs - (former?.atMs ?? atMs);
    if (!carried || !former || ms <= 0 || ms > 5_000) {
      this.carriedUp = this.carriedDown = 0;
      return;
    }
    // A device that was plugged anew counts from nothing.
    this.carriedUp = Math.max(0, carried.txBytes - former.carried.txBytes) * 8000 / ms;
    this.carriedDown = Math.max(0, carried.rxBytes - former.carried.rxBytes) * 8000 / ms;
  }
}

function bits(mbps: number | undefined, share = 1): number | undefined {
  return mbps === undefined ? undefined : mbps * 1e6 * share;
}

function least(...values: (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length > 0 ? Math.min(...known) : undefined;
}

// One mix of links while `otb bench grid` measures it: each transport over all of them, and the best alone, in one world.
import { mbpsBetween } from "../lab/arrivals.ts";
import type { LinkSpec } from "../lab/parse.ts";
import { links, median, PAYLOAD_SHARE, round } from "./measure.ts";
import { type Transport, TRANSPORTS, World } from "../worlds/world.ts";
import { MOVING, type Moving } from "./grid_moving.ts";
import { MIXES } from "./mixes.ts";

export const WAYS = ["down", "up"] as const;
export type Way = typeof WAYS[number];

/** "The first seconds" of one connection, from its beginning on. */
export const FIRST_S = 10;
/** Connections that are measured: one, then several at once. */
export const CONNECTIONS = [1, 8] as const;
/** Left out, and counted, of transfers whose first seconds are of no interest: of several connections, and by Multipath TCP. */
const SHORT_SKIP_S = 3, SHORT_COUNTED_S = 4;
/** The share of a transfer of `--seconds` that is left out. */
const SKIP_SHARE = 0.4;
/** What a stream moves over the best link before it takes others, with half as much again: eight of them take a slow link long, megabits. */
const MOVED_MEGABITS = 1.5 * 128 * 1024 * 8 / 1e6;
/** Over a link this far away a transfer begins later, one-way milliseconds and seconds. */
const FAR_MS = 150, FAR_S = 4;

/** One mix while it is measured. */
export class Mix {
  readonly #links: LinkSpec[];
  readonly #first: LinkSpec;
  /** Mbit/s by what was measured. */
  readonly #found = new Map<string, number[]>();
  readonly #moving: Moving | undefined;

  constructor(
    readonly name: keyof typeof MIXES,
    private readonly rounds: number,
    private readonly seconds: number,
  ) {
    this.#links = links(...MIXES[name]);
    this.#moving = MOVING[name];
    if (this.#moving?.jitterMs) this.#links[0]!.jitterMs = this.#moving.jitterMs;
    // A lab's link changes with what is set of it.
    this.#first = { ...this.#links[0]! };
  }

  /** Measures everything, once a round. */
  async measure(): Promise<void> {
    await using world = await World.up(`grid${Deno.pid}`, { links: this.#links });
    let used: string | undefined;
    const only = async (link?: string) => {
      if (used !== link) await world.only(used = link);
    };
    for (let turn = 0; turn < this.rounds; turn++) {
      await only();
      // Striped last, as the best link alone follows.
      for (const transport of TRANSPORTS.toReversed()) {
        await world.over(transport);
        for (const way of WAYS) {
          for (const connections of CONNECTIONS) await this.#transfer(world, transport, way, connections);
        }
      }
      // One link alone is what it is.
      if (this.#links.length === 1) continue;
      for (const way of WAYS) {
        await only(this.#best(way).name);
        await this.#transfer(world, "best", way, 1);
      }
    }
  }

  /** What the links carry together by their rates, as payload. */
  sumMbps(way: Way): number {
    return this.#rates(way).reduce((sum, rate) => sum + rate, 0);
  }

  /** The median of what was measured, in steady state or over the first seconds. */
  mbps(by: Transport | "best", way: Way, connections: number, first = false): number {
    // One link alone is the best.
    const what = by === "best" && this.#links.length === 1 ? "striped" : by;
    return median(this.#found.get(keyOf(what, way, connections, first))!);
  }

  /** What each link carries, in the order of links. */
  #rates(way: Way): number[] {
    return [this.#first, ...this.#links.slice(1)].map((link, index) =>
      PAYLOAD_SHARE * (index === 0 ? this.#moving?.share ?? 1 : 1) *
      (way === "down" ? link.downMbps : link.upMbps)
    );
  }

  /** The link of the highest rate, of equals the nearest. */
  #best(way: Way): LinkSpec {
    const rates = this.#rates(way);
    const order = [...this.#links.keys()].sort((a, b) =>
      rates[b]! - rates[a]! || this.#links[a]!.delayMs - this.#links[b]!.delayMs
    );
    return this.#links[order[0]!]!;
  }

  async #transfer(world: World, by: Transport | "best", way: Way, connections: number): Promise<void> {
    const moving = this.#moving;
    const far = this.#links.some(({ delayMs }) => delayMs >= FAR_MS) ? FAR_S : 0;
    const isLong = connections === 1 && by !== "mptcp";
    const movedS = connections * MOVED_MEGABITS / Math.max(...this.#rates(way));
    const skip = far + Math.max(isLong ? SKIP_SHARE * this.seconds : SHORT_SKIP_S, movedS);
    const still = isLong ? (1 - SKIP_SHARE) * this.seconds : SHORT_COUNTED_S;
    const counted = moving ? moving.everyMs * moving.turns / 1000 : still;
    let turn = 0;
    const timer = moving &&
      setInterval(() => void moving.move(world.lab, this.#first, turn++), moving.everyMs);
    const seconds = Math.max(skip + counted, isLong ? FIRST_S : 0);
    const options = { seconds, connections, upload: way === "up", leave: true };
    const { startedMs, arrivals, error } = await world.transfer("device1", options);
    clearInterval(timer);
    if (moving) {
      const { name, downMbps, upMbps } = this.#first;
      await world.lab.set(name, { downMbps, upMbps });
    }
    const note = (fromS: number, toS: number, first: boolean) => {
      const key = keyOf(by, way, connections, first);
      const mbps = mbpsBetween(arrivals, startedMs + fromS * 1000, startedMs + toS * 1000);
      this.#found.set(key, [...this.#found.get(key) ?? [], mbps]);
      return round(mbps);
    };
    note(0, FIRST_S, true);
    console.error(
      `${this.name}: ${by}, ${way}, ${connections}: ${note(skip, seconds, false)} Mbit/s ${error ?? ""}`,
    );
  }
}

function keyOf(by: string, way: Way, connections: number, first: boolean): string {
  return `${by} ${way} ${connections} ${first}`;
}

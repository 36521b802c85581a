// What boxes want of this peer: who holds which address, for how long, and how they share one. Pure.
import { canonical } from "./address.ts";
import type { Layer } from "./layer.ts";
import type { Wish } from "./wire.ts";

/** Not renewed within this time, a wish is over. */
export const HOLD_MS = 30_000;
/** Addresses shaped at once: each is five classes and a chain. */
const MOST_ADDRESSES = 256;
/** Boxes remembered at once. */
const MOST_BOXES = 256;

/** An address with all that goes to it. */
export interface Group {
  /** Stays the same while the address is shaped. */
  group: number;
  address: string;
  bitsPerSecond: number;
  layer: Layer;
}

/** All wishes. */
export class Ledger {
  /** By address and port: who holds it. */
  readonly #held = new Map<string, { box: string; wish: Wish; untilMs: number }>();
  readonly #groups = new Map<string, number>();

  /**
   * Takes what one box wants now, in place of what it wanted before.
   * @param isPath whether a tunnel comes from that address and port
   * @returns the addresses that are refused: nobody's, or another's
   */
  renew(
    box: string,
    wishes: Wish[],
    isPath: (address: string, port: number) => boolean,
    nowMs: number,
  ): string[] {
    this.expire(nowMs);
    const refused: string[] = [];
    const kept = new Set<string>();
    const boxes = new Set([...this.#held.values()].map((held) => held.box));
    for (const wish of wishes) {
      const address = canonical(wish.address);
      const key = `${address} ${wish.port}`;
      const holder = this.#held.get(key);
      const isRoom = this.#groups.has(address!) || this.#groups.size < MOST_ADDRESSES;
      const isKnown = boxes.has(box) || boxes.size < MOST_BOXES;
      if (
        !address || holder && holder.box !== box || !isPath(address, wish.port) || !isRoom || !isKnown
      ) {
        refused.push(wish.address);
        continue;
      }
      kept.add(key);
      this.#held.set(key, { box, wish: { ...wish, address }, untilMs: nowMs + HOLD_MS });
      if (!this.#groups.has(address)) this.#groups.set(address, this.#freeGroup());
    }
    for (const [key, held] of this.#held) if (held.box === box && !kept.has(key)) this.#held.delete(key);
    this.#forget();
    return refused;
  }

  /** Drops what is over. */
  expire(nowMs: number): void {
    for (const [key, { untilMs }] of this.#held) if (untilMs <= nowMs) this.#held.delete(key);
    this.#forget();
  }

  /** Each address once, in the order of groups: links behind one share the sum. */
  groups(): Group[] {
    const byAddress = new Map<string, Group>();
    for (const { wish: { address, bitsPerSecond, layer } } of this.#held.values()) {
      const group = byAddress.get(address);
      if (group) group.bitsPerSecond += bitsPerSecond;
      else byAddress.set(address, { group: this.#groups.get(address)!, address, bitsPerSecond, layer });
    }
    return [...byAddress.values()].sort((a, b) => a.group - b.group);
  }

  #freeGroup(): number {
    const taken = new Set(this.#groups.values());
    let group = 1;
    while (taken.has(group)) group++;
    return group;
  }

  #forget(): void {
    const used = new Set([...this.#held.values()].map(({ wish }) => wish.address));
    for (const address of this.#groups.keys()) if (!used.has(address)) this.#groups.delete(address);
  }
}

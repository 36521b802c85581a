// What boxes want of this peer: which path of whose session, for how long, and how they share an address. Pure.
import { unmappedAddress } from "@otb/plugin";
import type { Layer } from "./layer.ts";
import { pathKey, type Paths } from "./paths.ts";
import type { Wish } from "./wire.ts";

/** Not renewed within this time, a wish is over. */
export const HOLD_MS = 30_000;
/** Addresses shaped at once: each is five classes and a chain. */
const MOST_ADDRESSES = 256;

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
  /** By path. */
  readonly #held = new Map<string, { session: string; wish: Wish; untilMs: number }>();
  readonly #groups = new Map<string, number>();

  /**
   * Takes what one box wants now, in place of what it wanted before.
   * @returns the addresses that are not shaped: no path of this session, or shared with a box that does not want it
   */
  renew(session: string, wishes: Wish[], paths: Paths, nowMs: number): string[] {
    this.expire(nowMs, paths);
    const kept = new Set<string>();
    for (const wish of wishes) {
      const address = unmappedAddress(wish.address);
      if (!address || !paths.isOf(session, address, wish.port)) continue;
      if (!this.#groups.has(address) && this.#groups.size >= MOST_ADDRESSES) continue;
      const key = pathKey(address, wish.port);
      kept.add(key);
      this.#held.set(key, { session, wish: { ...wish, address }, untilMs: nowMs + HOLD_MS });
      if (!this.#groups.has(address)) this.#groups.set(address, this.#freeGroup());
    }
    for (const [key, held] of this.#held) {
      if (held.session === session && !kept.has(key)) this.#held.delete(key);
    }
    this.#forget();
    const shaped = new Set(this.groups(paths).map(({ address }) => address));
    return wishes.filter(({ address, port }) => {
      const known = unmappedAddress(address);
      return !known || !kept.has(pathKey(known, port)) || !shaped.has(known);
    }).map(({ address }) => address);
  }

  /** Drops what is over, and what is of a path that its session has no more. */
  expire(nowMs: number, paths: Paths): void {
    for (const [key, { untilMs, session, wish }] of this.#held) {
      if (untilMs <= nowMs || !paths.isOf(session, wish.address, wish.port)) this.#held.delete(key);
    }
    this.#forget();
  }

  /**
   * Each address once, in the order of groups: links behind one share the sum. Where several boxes share an address all of them
   * must want it: one alone would shape the others.
   */
  groups(paths: Paths): Group[] {
    const byAddress = new Map<string, Group & { sessions: Set<string | undefined> }>();
    for (const { session, wish: { address, bitsPerSecond, layer } } of this.#held.values()) {
      const group = byAddress.get(address);
      if (group) {
        group.bitsPerSecond += bitsPerSecond;
        group.sessions.add(session);
      } else {
        const number = this.#groups.get(address)!;
        byAddress.set(address, {
          ...{ group: number, address, bitsPerSecond, layer },
          sessions: new Set([session]),
        });
      }
    }
    return [...byAddress.values()]
      .filter(({ address, sessions }) => paths.sessionsAt(address).isSubsetOf(sessions))
      .map(({ sessions: _, ...group }) => group)
      .sort((a, b) => a.group - b.group);
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

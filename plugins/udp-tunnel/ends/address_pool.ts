// A pool of addresses inside the tunnel: each box keeps its own as long as possible. Pure.
import ipaddr from "ipaddr.js";

type Bytes = Uint8Array<ArrayBuffer>;

/** A box's place. */
export interface PoolAddress {
  number: number;
  address: Bytes;
}

/** As it is stored: the number, when it was last used (milliseconds since the epoch), and the id of the box it belongs to. */
export type StoredAddresses = { [holder: string]: [number: number, usedMs: number, boxId: string] };

interface Taken {
  number: number;
  /** 0: promised in an answer, and nobody has come yet. */
  usedMs: number;
  boxId: string;
}

/** Of before boxes had ids. */
const NOBODY = "";
/** What was last used is stored so exactly. */
const USED_MS = 3_600_000;

/**
 * Numbers of boxes in a pool of IPv4 addresses; the first address is the peer's. Each holder keeps his own as long as there are others:
 * then the one that was not used for the longest time is given away.
 */
export class AddressPool {
  readonly gateway: string;
  readonly #first: number;
  readonly #size: number;
  readonly #taken = new Map<string, Taken>();

  /** @param stored as `stored` gave it, or by public key alone as it was stored before */
  constructor(pool: string, stored: StoredAddresses | { [key: string]: number }) {
    const [network, bits] = ipaddr.parseCIDR(pool);
    const [a, b, c, d] = network.toByteArray() as [number, number, number, number];
    this.#size = 2 ** (32 - bits);
    const value = ((a * 256 + b) * 256 + c) * 256 + d;
    this.#first = value - value % this.#size;
    this.gateway = bytesOf(this.#first + 1).join(".");
    for (const [holder, one] of Object.entries(stored)) {
      const [number, usedMs, boxId] = typeof one === "number" ? [one, 1, NOBODY] as const : one;
      // The pool may have become smaller.
      if (number < this.#size - 1) this.#taken.set(holder, { number, usedMs, boxId });
    }
  }

  /** What is to be kept: places that were used. */
  get stored(): StoredAddresses {
    const used = [...this.#taken].filter(([, { usedMs }]) => usedMs > 0);
    return Object.fromEntries(
      used.map(([holder, { number, usedMs, boxId }]) => [holder, [number, usedMs, boxId]]),
    );
  }

  /**
   * The holder's place; promised until it is `used`.
   * @param former how he was called before @param most how many the box may have @param isLive whose place nobody may have
   * @returns undefined when there is none
   */
  of(
    holder: string,
    { boxId, former, most, isLive }: {
      boxId: string;
      former: string;
      most: number;
      isLive(holder: string): boolean;
    },
  ): PoolAddress | undefined {
    const known = this.#taken.get(holder) ?? this.#taken.get(former);
    if (known) {
      this.#taken.delete(former);
      this.#taken.set(holder, known);
      known.boxId = boxId;
      return this.#place(known.number);
    }
    const own = [...this.#taken].filter(([, one]) => one.boxId === boxId);
    const number = own.length < most
      ? this.#free() ?? this.#leastUsed([...this.#taken], isLive)
      : this.#leastUsed(own, isLive);
    if (number === undefined) return undefined;
    this.#taken.set(holder, { number, usedMs: 0, boxId });
    return this.#place(number);
  }

  /** The holder is there. @returns whether that is worth storing */
  used(holder: string, nowMs: number): boolean {
    const known = this.#taken.get(holder);
    if (!known || Math.abs(nowMs - known.usedMs) < USED_MS) return false;
    known.usedMs = nowMs;
    return true;
  }

  /** A box belongs here no more. */
  release(boxId: string): void {
    for (const [holder, one] of this.#taken) if (one.boxId === boxId) this.#taken.delete(holder);
  }

  #place(number: number): PoolAddress {
    return { number, address: bytesOf(this.#first + number) };
  }

  #free(): number | undefined {
    const taken = new Set([...this.#taken.values()].map(({ number }) => number));
    for (let number = 2; number < this.#size - 1; number++) if (!taken.has(number)) return number;
    return undefined;
  }

  #leastUsed(places: [string, Taken][], isLive: (holder: string) => boolean): number | undefined {
    let found: [string, Taken] | undefined;
    for (const one of places) {
      if ((!found || one[1].usedMs < found[1].usedMs) && !isLive(one[0])) found = one;
    }
    if (found) this.#taken.delete(found[0]);
    return found?.[1].number;
  }
}

/** The upper half of the /64 with this number in a prefix; undefined where there is none, or none left. */
export function prefixOf(prefix: string, number: number): Bytes | undefined {
  if (prefix === "") return undefined;
  const [network, bits] = ipaddr.parseCIDR(prefix);
  const upper = new Uint8Array(network.toByteArray().slice(0, 8));
  const view = new DataView(upper.buffer);
  const room = 64n - BigInt(bits);
  // A single /64 goes to the first box alone.
  const index = BigInt(number) - 2n;
  if (index >= 1n << room) return undefined;
  const mask = (1n << room) - 1n;
  view.setBigUint64(0, view.getBigUint64(0) & ~mask | index);
  return upper;
}

function bytesOf(value: number): Bytes {
  return new Uint8Array([24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256));
}

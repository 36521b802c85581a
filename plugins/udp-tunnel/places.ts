// Which box has which address inside the tunnel: the same one always, by its public key. Pure.
import ipaddr from "ipaddr.js";

type Bytes = Uint8Array<ArrayBuffer>;

/** A box's place. */
export interface Place {
  number: number;
  address: Bytes;
  isNew: boolean;
}

/** Numbers of boxes in a pool of IPv4 addresses; the first address is the peer's. */
export class Places {
  readonly gateway: string;
  readonly #first: number;
  readonly #size: number;

  /** @param numbers by public key, as they were stored; grows */
  constructor(pool: string, readonly numbers: { [key: string]: number }) {
    const [network, bits] = ipaddr.parseCIDR(pool);
    const [a, b, c, d] = network.toByteArray() as [number, number, number, number];
    this.#size = 2 ** (32 - bits);
    const value = ((a * 256 + b) * 256 + c) * 256 + d;
    this.#first = value - value % this.#size;
    this.gateway = bytesOf(this.#first + 1).join(".");
  }

  /** The box's place; undefined when all are taken. */
  of(key: string): Place | undefined {
    const known = Object.hasOwn(this.numbers, key) ? this.numbers[key] : undefined;
    if (known !== undefined && known < this.#size - 1) {
      return { number: known, address: bytesOf(this.#first + known), isNew: false };
    }
    const taken = new Set(Object.values(this.numbers));
    for (let number = 2; number < this.#size - 1; number++) {
      if (taken.has(number)) continue;
      this.numbers[key] = number;
      return { number, address: bytesOf(this.#first + number), isNew: true };
    }
    return undefined;
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

// Addresses of the IP packets inside the tunnel: who may send what, and whose it is. Pure.

type Bytes = Uint8Array<ArrayBuffer>;

/** Offsets of addresses in the headers (RFC 791 section 3.1, RFC 8200 section 3). */
const SOURCE4 = 12, TARGET4 = 16, SOURCE6 = 8, TARGET6 = 24;

/** What a box has inside the tunnel. */
export interface InnerAddress {
  /** Four bytes. */
  address: Bytes;
  /** The upper eight bytes of the LAN's IPv6 prefix. */
  prefix?: Bytes;
}

/** Whether the packet at `offset` comes from this box. */
export function isFrom(bytes: Bytes, offset: number, { address, prefix }: InnerAddress): boolean {
  const version = bytes[offset]! >> 4;
  return version === 4
    ? isSame(bytes, offset + SOURCE4, address)
    : version === 6 && prefix !== undefined && isSame(bytes, offset + SOURCE6, prefix);
}

/** Whether the packet at `offset` is for this box. */
export function isFor(bytes: Bytes, offset: number, { address, prefix }: InnerAddress): boolean {
  const version = bytes[offset]! >> 4;
  return version === 4
    ? isSame(bytes, offset + TARGET4, address)
    : version === 6 && prefix !== undefined && isSame(bytes, offset + TARGET6, prefix);
}

/** A number for the target's box: its IPv4 address, or the part of its IPv6 prefix that differs from box to box. */
export function targetKey(bytes: Bytes, offset: number): number {
  const version = bytes[offset]! >> 4;
  if (version === 4) return word(bytes, offset + TARGET4) >>> 0;
  // Beyond every IPv4 address; the upper half is compared when the session is known.
  return version === 6 ? 2 ** 32 + (word(bytes, offset + TARGET6 + 4) >>> 0) : -1;
}

/** The keys under which `targetKey` finds a box. */
export function keysOf({ address, prefix }: InnerAddress): number[] {
  return [word(address, 0) >>> 0, ...prefix ? [2 ** 32 + (word(prefix, 4) >>> 0)] : []];
}

function word(bytes: Bytes, at: number): number {
  return bytes[at]! << 24 | bytes[at + 1]! << 16 | bytes[at + 2]! << 8 | bytes[at + 3]!;
}

function isSame(bytes: Bytes, at: number, expected: Bytes): boolean {
  for (let index = 0; index < expected.length; index++) {
    if (bytes[at + index] !== expected[index]) return false;
  }
  return true;
}

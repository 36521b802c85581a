// Addresses of targets as SOCKS5 and Shadowsocks write them (RFC 1928 section 5). Pure.
import { ADDRESS_BYTES } from "../../../core/native/ffi.ts";
import { arena } from "../relay/arena.ts";

/** A target: a name that the peer must look up, or a kernel address record; and a port. */
export type Target =
  | { named: true; host: string; port: number }
  | { named: false; record: Bytes; port: number };

type Bytes = Uint8Array<ArrayBuffer>;

const IPV4 = 1, NAME = 3, IPV6 = 4;

/** Writes the wire form of a kernel address record; returns its length. */
export function writeRecord(record: Bytes, out: Bytes, offset: number): number {
  const four = record[0] === 2;
  const length = four ? 4 : 16;
  out[offset] = four ? IPV4 : IPV6;
  out.set(record.subarray(4, 4 + length), offset + 1);
  // Records hold the port in host order, the wire in network order.
  out[offset + 1 + length] = record[3]!;
  out[offset + 2 + length] = record[2]!;
  return length + 3;
}

/** Length of the address at `offset` with its port: 0 when bytes are missing, -1 when it is malformed. */
export function targetLength(bytes: Bytes, offset: number, end: number): number {
  if (offset >= end) return 0;
  const kind = bytes[offset];
  if (kind === IPV4) return offset + 7 > end ? 0 : 7;
  if (kind === IPV6) return offset + 19 > end ? 0 : 19;
  if (kind !== NAME) return -1;
  if (offset + 1 >= end) return 0;
  const size = bytes[offset + 1]!;
  if (size === 0) return -1;
  if (offset + 4 + size > end) return 0;
  for (let at = offset + 2; at < offset + 2 + size; at++) if (!isNameByte(bytes[at]!)) return -1;
  return size + 4;
}

/** Letters, digits, dash, dot and underscore. */
function isNameByte(byte: number): boolean {
  return byte >= 97 && byte <= 122 || byte >= 65 && byte <= 90 || byte >= 45 && byte <= 57 && byte !== 47 ||
    byte === 95;
}

/** Reads one address; undefined when it is malformed, `length` 0 when bytes are missing. */
export function readTarget(
  bytes: Bytes,
  offset: number,
  end: number,
): { target?: Target; length: number } | undefined {
  const length = targetLength(bytes, offset, end);
  if (length <= 0) return length === 0 ? { length } : undefined;
  const port = bytes[offset + length - 2]! * 256 + bytes[offset + length - 1]!;
  if (bytes[offset] === NAME) {
    // A name that is an address in disguise is looked at as the address it is, after the lookup.
    const host = String.fromCharCode(...bytes.subarray(offset + 2, offset + length - 2));
    return { target: { named: true, host, port }, length };
  }
  const record = arena.take(ADDRESS_BYTES);
  record[0] = bytes[offset] === IPV4 ? 2 : 10;
  record[2] = port & 255;
  record[3] = port >> 8;
  for (let index = 0; index < length - 3; index++) record[4 + index] = bytes[offset + 1 + index]!;
  return { target: { named: false, record, port }, length };
}

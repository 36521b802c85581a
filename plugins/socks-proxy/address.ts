// Addresses of targets as SOCKS5 and Shadowsocks write them (RFC 1928 section 5). Pure.
import { type Address, ADDRESS_BYTES, decodeAddress } from "../../core/native/ffi.ts";

/** A target: an IP address or a name, and a port. */
export interface Target {
  host: string;
  port: number;
  /** The host is a name that the peer must look up. */
  named: boolean;
  /** The same as a kernel address record, unless it is a name. */
  record?: Uint8Array<ArrayBuffer>;
}

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

/** Reads one address; undefined when it is malformed, `length` 0 when bytes are missing. */
export function readTarget(
  bytes: Bytes,
  offset: number,
  end: number,
): { target?: Target; length: number } | undefined {
  if (offset >= end) return { length: 0 };
  const kind = bytes[offset];
  if (kind !== IPV4 && kind !== NAME && kind !== IPV6) return undefined;
  if (kind === NAME && offset + 1 >= end) return { length: 0 };
  const start = offset + (kind === NAME ? 2 : 1);
  const size = kind === IPV4 ? 4 : kind === IPV6 ? 16 : bytes[offset + 1]!;
  if (size === 0) return undefined;
  if (start + size + 2 > end) return { length: 0 };
  const port = bytes[start + size]! * 256 + bytes[start + size + 1]!;
  const length = start + size + 2 - offset;
  if (kind === NAME) {
    const host = String.fromCharCode(...bytes.subarray(start, start + size));
    // A name that is an address in disguise is looked at as the address it is.
    if (!/^[A-Za-z0-9_.-]+$/.test(host)) return undefined;
    return { target: { host, port, named: true }, length };
  }
  const record = new Uint8Array(ADDRESS_BYTES);
  record[0] = kind === IPV4 ? 2 : 10;
  record[2] = port & 255;
  record[3] = port >> 8;
  record.set(bytes.subarray(start, start + size), 4);
  const { host }: Address = decodeAddress(record);
  return { target: { host, port, named: false, record }, length };
}

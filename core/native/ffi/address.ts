// Addresses as they cross.
import ipaddr from "ipaddr.js";
import { OtbError } from "../../contract/mod.ts";
import type { Bytes } from "./symbols.ts";

/** An IP address and a port; IPv4 reached over an IPv6 socket reads as IPv4. */
export interface Address {
  host: string;
  port: number;
}

/** An address as it crosses: u16 family (2 or 10), u16 port, 16 bytes (IPv4 in the first four). */
export const ADDRESS_BYTES = 20;

/**
 * Writes an address record and returns the buffer.
 * @throws OtbError `address-invalid` when the host is no IP address
 */
export function encodeAddress(
  address: Address,
  out: Bytes = new Uint8Array(ADDRESS_BYTES),
  offset = 0,
): Bytes {
  if (!ipaddr.IPv4.isValidFourPartDecimal(address.host) && !ipaddr.IPv6.isValid(address.host)) {
    throw new OtbError(
      "address-invalid",
      `Cannot encode address as it must be IPv4 or IPv6: current value is "${address.host}"`,
    );
  }
  const bytes = ipaddr.parse(address.host).toByteArray();
  const view = new DataView(out.buffer, out.byteOffset + offset, ADDRESS_BYTES);
  view.setUint16(0, bytes.length === 4 ? 2 : 10, true);
  view.setUint16(2, address.port, true);
  out.fill(0, offset + 4, offset + ADDRESS_BYTES);
  out.set(bytes, offset + 4);
  return out;
}

/** Reads an address record; the only place where strings are made of addresses. */
export function decodeAddress(record: Bytes, offset = 0): Address {
  const view = new DataView(record.buffer, record.byteOffset + offset, ADDRESS_BYTES);
  const four = view.getUint16(0, true) === 2;
  const bytes = record.subarray(offset + 4, offset + (four ? 8 : 20));
  const host = four ? bytes.join(".") : new ipaddr.IPv6([...bytes]).toString();
  return { host, port: view.getUint16(2, true) };
}

/** The record of an address that may be one already. */
export function recordOf(address: Address | Bytes): Bytes {
  return address instanceof Uint8Array ? address : encodeAddress(address);
}

/** A record as messages show it. */
export function showAddress(bytes: Bytes): string {
  const { host, port } = decodeAddress(bytes);
  return `${host}:${port}`;
}

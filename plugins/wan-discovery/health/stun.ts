// STUN as far as a probe needs it: which address and port the Internet sees, asked with datagrams of any size (RFC 8489). Pure.
import { type Bytes, readIpv4 } from "../frames/addresses.ts";

const BINDING = 0x0001, SUCCESS = 0x0101, FAILURE = 0x0111;
const MAGIC = 0x2112a442;
const HEADER_BYTES = 20, ID_BYTES = 12;
const MAPPED_ADDRESS = 0x0001, XOR_MAPPED_ADDRESS = 0x0020;
/** An attribute that no server knows, and every server skips (RFC 8489 14: the upper half is comprehension-optional). */
const PADDING = 0xfe57;

/** Where a request came from in the eyes of who answered. */
export interface Mapped {
  /** Absent in an answer that refuses: it arrived all the same. */
  address?: string;
  port?: number;
}

/** A Binding request of at least `bytes`, a multiple of four; `id` has 12 random bytes. */
export function encodeRequest(id: Bytes, bytes = HEADER_BYTES): Bytes {
  const padding = Math.max(0, bytes - HEADER_BYTES - 4) & ~3;
  const message = new Uint8Array(HEADER_BYTES + (padding > 0 ? 4 + padding : 0));
  const view = new DataView(message.buffer);
  view.setUint16(0, BINDING);
  view.setUint16(2, message.length - HEADER_BYTES);
  view.setUint32(4, MAGIC);
  message.set(id.subarray(0, ID_BYTES), 8);
  if (padding > 0) {
    view.setUint16(HEADER_BYTES, PADDING);
    view.setUint16(HEADER_BYTES + 2, padding);
  }
  return message;
}

/** The answer to the request of that id; undefined when it is none. */
export function decodeResponse(message: Bytes, id: Bytes): Mapped | undefined {
  if (message.length < HEADER_BYTES) return undefined;
  const view = new DataView(message.buffer, message.byteOffset, message.length);
  const type = view.getUint16(0);
  if (type !== SUCCESS && type !== FAILURE || view.getUint32(4) !== MAGIC) return undefined;
  if (id.some((byte, index) => message[8 + index] !== byte)) return undefined;
  let plain: Mapped = {};
  for (let at = HEADER_BYTES; at + 4 <= message.length;) {
    const [kind, length] = [view.getUint16(at), view.getUint16(at + 2)];
    const value = at + 4;
    // Family 1 is IPv4.
    if (length >= 8 && value + 8 <= message.length && message[value + 1] === 1) {
      if (kind === XOR_MAPPED_ADDRESS) {
        const address = new Uint8Array(4);
        new DataView(address.buffer).setUint32(0, view.getUint32(value + 4) ^ MAGIC);
        return { address: readIpv4(address, 0), port: view.getUint16(value + 2) ^ MAGIC >>> 16 };
      }
      if (kind === MAPPED_ADDRESS) {
        plain = { address: readIpv4(message, value + 4), port: view.getUint16(value + 2) };
      }
    }
    at = value + (length + 3 & ~3);
  }
  return plain;
}

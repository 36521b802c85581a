// DNS as far as a probe needs it: one question, the addresses or the name in its answer (RFC 1035 4.1). Pure.
import type { Bytes } from "../frames/addresses.ts";

const TYPES = { A: 1, PTR: 12 } as const;
const IN = 1, HEADER_BYTES = 12;
/** More than names need that do not lie (RFC 1035 4.1.4). */
const MOST_JUMPS = 8, MOST_LABELS = 64;

/** What is asked for. */
export interface Question {
  /** Random, 16 bits. */
  id: number;
  name: string;
  type: keyof typeof TYPES;
}

/** What a server answered to one question. */
export interface DnsReply {
  /** 0 is success, 3 no such name. */
  code: number;
  /** IPv4 addresses, or names for PTR. */
  values: string[];
}

/** The question as a datagram, recursion desired. */
export function encodeQuestion({ id, name, type }: Question): Bytes {
  const labels = name.split(".").flatMap((label) => [
    Math.min(63, label.length),
    ...new TextEncoder().encode(label.slice(0, 63)),
  ]);
  return new Uint8Array([
    id >> 8,
    id & 255,
    1,
    0,
    0,
    1,
    0,
    0,
    0,
    0,
    0,
    0,
    ...labels,
    0,
    0,
    TYPES[type],
    0,
    IN,
  ]);
}

/** The reply to that question; undefined when it is not one. */
export function decodeReply(bytes: Bytes, { id, name, type }: Question): DnsReply | undefined {
  if (bytes.length < HEADER_BYTES) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const flags = view.getUint16(2);
  if (view.getUint16(0) !== id || (flags & 0x8000) === 0 || view.getUint16(4) !== 1) return undefined;
  const asked = readName(bytes, HEADER_BYTES);
  if (!asked || asked.name !== name.toLowerCase() || asked.end + 4 > bytes.length) return undefined;
  if (view.getUint16(asked.end) !== TYPES[type] || view.getUint16(asked.end + 2) !== IN) return undefined;
  const values: string[] = [];
  let at = asked.end + 4;
  for (let left = Math.min(view.getUint16(6), 32); left > 0; left--) {
    const owner = readName(bytes, at);
    if (!owner || owner.end + 10 > bytes.length) break;
    const [kind, length] = [view.getUint16(owner.end), view.getUint16(owner.end + 8)];
    const data = owner.end + 10;
    if (data + length > bytes.length) break;
    if (kind === TYPES.A && type === "A" && length === 4) {
      values.push(bytes.subarray(data, data + 4).join("."));
    }
    if (kind === TYPES.PTR && type === "PTR") {
      const target = readName(bytes, data);
      if (target) values.push(target.name);
    }
    at = data + length;
  }
  return { code: flags & 15, values };
}

/** The name under which the owner of an IPv4 address is found (RFC 1035 3.5). */
export function reverseName(address: string): string {
  return `${address.split(".").reverse().join(".")}.in-addr.arpa`;
}

/** A name in small letters and where what follows it begins; undefined when it runs out of the message or in circles. */
function readName(bytes: Bytes, start: number): { name: string; end: number } | undefined {
  const labels: string[] = [];
  let at = start, end: number | undefined, jumps = 0;
  for (;;) {
    const length = bytes[at];
    if (length === undefined || labels.length > MOST_LABELS) return undefined;
    if (length >= 0xc0) {
      const low = bytes[at + 1];
      if (low === undefined || ++jumps > MOST_JUMPS) return undefined;
      end ??= at + 2;
      at = (length & 0x3f) << 8 | low;
    } else if (length === 0) {
      return { name: labels.join("."), end: end ?? at + 1 };
    } else {
      if (length > 63 || at + 1 + length > bytes.length) return undefined;
      labels.push(new TextDecoder("latin1").decode(bytes.subarray(at + 1, at + 1 + length)).toLowerCase());
      at += 1 + length;
    }
  }
}

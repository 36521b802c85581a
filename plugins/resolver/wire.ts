// DNS messages as far as a forwarder must understand them (RFC 1035 section 4, RFC 6891). Pure; every message is hostile.

type Bytes = Uint8Array<ArrayBuffer>;

const HEADER_BYTES = 12;
/** Names are never longer (RFC 1035 section 2.3.4). */
const MAX_NAME_BYTES = 255;
/** A question with options; more is no question of an honest device. */
const MAX_QUERY_BYTES = 4_096;
/** What everybody takes by UDP, and the most that is sent so: no fragments (DNS flag day 2020). */
const PLAIN_UDP_BYTES = 512, MAX_UDP_BYTES = 1_232;
const OPT_TYPE = 41;
const QUERY_OR_RESPONSE = 0x80, OPCODE = 0x78, TRUNCATED = 0x02, RCODE = 0x0f, RECURSION_DESIRED = 0x01;
const RECURSION_AVAILABLE = 0x80;

/** Response codes (RFC 1035 section 4.1.1). */
export const Rcode = { noError: 0, formatError: 1, serverFailure: 2, nameError: 3 } as const;

/** What is known of a query that may be asked on. */
export interface Query {
  message: Bytes;
  id: number;
  /** Where its question ends. */
  questionEnd: number;
  /** It has an OPT record (RFC 6891). */
  edns: boolean;
  /** The largest answer by UDP, in bytes. */
  udpBytes: number;
}

/** Reads a query: one question, nothing answered, and well formed; undefined for everything else. The bytes are copied. */
export function readQuery(bytes: Uint8Array): Query | undefined {
  if (bytes.length < HEADER_BYTES || bytes.length > MAX_QUERY_BYTES) return undefined;
  const message = Uint8Array.from(bytes);
  const view = new DataView(message.buffer);
  if (message[2]! & (QUERY_OR_RESPONSE | OPCODE)) return undefined;
  const [questions, answers, authorities, additional] = [4, 6, 8, 10].map((at) => view.getUint16(at));
  if (questions !== 1 || answers !== 0 || authorities !== 0 || additional! > 2) return undefined;
  const questionEnd = endOfQuestion(message);
  if (questionEnd === undefined) return undefined;
  let at = questionEnd, edns = false, udpBytes = PLAIN_UDP_BYTES;
  for (let count = 0; count < additional!; count++) {
    const nameEnd = endOfName(message, at);
    if (nameEnd === undefined || nameEnd + 10 > message.length) return undefined;
    if (view.getUint16(nameEnd) === OPT_TYPE) {
      edns = true;
      udpBytes = Math.min(Math.max(view.getUint16(nameEnd + 2), PLAIN_UDP_BYTES), MAX_UDP_BYTES);
    }
    at = nameEnd + 10 + view.getUint16(nameEnd + 8);
  }
  return at === message.length ? { message, id: view.getUint16(0), questionEnd, edns, udpBytes } : undefined;
}

/** Whether a message answers that query: a response with the same question, letters in either case. Its id is not looked at. */
export function answers({ message, questionEnd }: Query, response: Uint8Array): boolean {
  if (response.length < questionEnd || !(response[2]! & QUERY_OR_RESPONSE)) return false;
  if ((response[2]! & OPCODE) !== 0 || response[4] !== 0 || response[5] !== 1) return false;
  for (let at = HEADER_BYTES; at < questionEnd; at++) {
    if (lower(response[at]!) !== lower(message[at]!)) return false;
  }
  return true;
}

/** The response code of a message. */
export function rcodeOf(response: Uint8Array): number {
  return response[3]! & RCODE;
}

/** Whether a message was too long for UDP, and is to be asked for by TCP. */
export function isCut(response: Uint8Array): boolean {
  return (response[2]! & TRUNCATED) !== 0;
}

/** A copy with another id. */
export function withId(message: Uint8Array, id: number): Bytes {
  const copy = Uint8Array.from(message);
  new DataView(copy.buffer).setUint16(0, id);
  return copy;
}

/** An answer without records that says how it failed. */
export function failure(query: Query, rcode: number): Bytes {
  return bare(query, 0, rcode);
}

/** The answer as it goes by UDP: whole when it fits what the asker takes, else cut, so that it asks again by TCP. */
export function forUdp(query: Query, response: Bytes): Bytes {
  return response.length <= query.udpBytes ? response : bare(query, TRUNCATED, rcodeOf(response));
}

/** Header and question, with an OPT record when the query had one (RFC 6891 section 7). */
function bare({ message, questionEnd, edns }: Query, flags: number, rcode: number): Bytes {
  const out = new Uint8Array(questionEnd + (edns ? 11 : 0));
  out.set(message.subarray(0, questionEnd));
  const view = new DataView(out.buffer);
  out[2] = QUERY_OR_RESPONSE | flags | message[2]! & RECURSION_DESIRED;
  out[3] = RECURSION_AVAILABLE | rcode;
  view.setUint16(10, edns ? 1 : 0);
  if (edns) {
    view.setUint16(questionEnd + 1, OPT_TYPE);
    view.setUint16(questionEnd + 3, MAX_UDP_BYTES);
  }
  return out;
}

function endOfQuestion(message: Bytes): number | undefined {
  const nameEnd = endOfName(message, HEADER_BYTES);
  return nameEnd === undefined || nameEnd + 4 > message.length ? undefined : nameEnd + 4;
}

/** Behind a name that is written out: in a query there is nothing yet that a compressed one could point to. */
function endOfName(message: Bytes, start: number): number | undefined {
  for (let at = start; at < message.length && at - start < MAX_NAME_BYTES;) {
    const length = message[at]!;
    if (length === 0) return at + 1;
    if (length > 63) return undefined;
    at += 1 + length;
  }
}

/** Behind a name in an answer, which may end in a pointer (RFC 1035 section 4.1.4); it is not followed. */
export function endOfAnyName(message: Uint8Array, start: number): number | undefined {
  for (let at = start; at < message.length && at - start < MAX_NAME_BYTES;) {
    const length = message[at]!;
    if (length === 0) return at + 1;
    if (length >= 0xc0) return at + 2 <= message.length ? at + 2 : undefined;
    if (length > 63) return undefined;
    at += 1 + length;
  }
}

/** The name that a query asks for, in small letters; a label's bytes that are no such characters are as they are. */
export function nameOf({ message, questionEnd }: Query): string {
  const labels: string[] = [];
  for (let at = HEADER_BYTES; at < questionEnd && message[at]! > 0; at += 1 + message[at]!) {
    const label = message.subarray(at + 1, at + 1 + message[at]!);
    // A dot within a label must not make it look like two.
    labels.push(String.fromCharCode(...label.map(lower)).replaceAll(".", "\\."));
  }
  return labels.join(".");
}

/** ASCII letters in small. Length bytes are below 64 and stay. */
function lower(byte: number): number {
  return byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte;
}

// Whether the IPv6 prefix that the peer gave works: packets from it go out to the Internet, and answers come back (ICMPv6 echo, RFC
// 4443 section 4). Only then is the LAN told of it.
import ipaddr from "ipaddr.js";
import type { Native } from "../../../core/native/ffi.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** How often it is asked until it works, and afterwards; so many unanswered questions in a row, and it works no more. */
const FIRST_US = 2_000_000, THEN_US = 30_000_000, AGAIN_US = 3_000_000, MISSES = 4;
const HEADER_BYTES = 40, ECHO_BYTES = 16, ICMPV6 = 58, ECHO_REQUEST = 128, ECHO_REPLY = 129;
/** Bytes of one question. */
export const QUESTION_BYTES = HEADER_BYTES + ECHO_BYTES;

export class PrefixCheck {
  isVerified = false;
  readonly #source: Bytes;
  readonly #targets: Bytes[];
  readonly #token: Bytes;
  #nextUs = -Infinity;
  #misses = 0;

  /** @param prefix its upper eight bytes */
  constructor(native: Native, prefix: Bytes, targets: string[]) {
    this.#source = new Uint8Array(16);
    this.#source.set(prefix);
    // An address that no device has: random, as privacy addresses are (RFC 8981).
    this.#source.set(native.random(new Uint8Array(8)), 8);
    this.#token = native.random(new Uint8Array(8));
    this.#targets = targets.map((target) => new Uint8Array(ipaddr.parse(target).toByteArray()));
  }

  /**
   * Whether questions are due now, one per target.
   * @returns the targets' numbers; when they go unanswered too often the prefix counts as broken
   */
  due(nowUs: number): number[] {
    if (nowUs < this.#nextUs) return [];
    if (++this.#misses > MISSES) this.isVerified = false;
    this.#nextUs = nowUs + (this.isVerified ? AGAIN_US : FIRST_US);
    return [...this.#targets.keys()];
  }

  /** Writes the question for a target at `at`. */
  write(target: number, out: Bytes, at: number): void {
    out.fill(0, at, at + QUESTION_BYTES);
    out[at] = 0x60;
    out[at + 5] = ECHO_BYTES;
    out[at + 6] = ICMPV6;
    out[at + 7] = 64;
    out.set(this.#source, at + 8);
    out.set(this.#targets[target]!, at + 24);
    const echo = at + HEADER_BYTES;
    out[echo] = ECHO_REQUEST;
    out.set(this.#token, echo + 8);
    const sum = checksum(out, at);
    out[echo + 2] = sum >> 8;
    out[echo + 3] = sum & 255;
  }

  /** Whether the packet at `offset` answers a question; it is for nobody else then. */
  isAnswer(bytes: Bytes, offset: number, nowUs: number): boolean {
    const echo = offset + HEADER_BYTES;
    if (bytes[offset]! >> 4 !== 6 || bytes[offset + 6] !== ICMPV6 || bytes[echo] !== ECHO_REPLY) return false;
    for (let index = 0; index < 16; index++) {
      if (bytes[offset + 24 + index] !== this.#source[index]) return false;
    }
    for (let index = 0; index < 8; index++) if (bytes[echo + 8 + index] !== this.#token[index]) return true;
    this.isVerified = true;
    this.#misses = 0;
    this.#nextUs = nowUs + THEN_US;
    return true;
  }
}

/** RFC 4443 section 2.3, over the pseudo-header of RFC 8200 section 8.1. */
function checksum(bytes: Bytes, at: number): number {
  let sum = ECHO_BYTES + ICMPV6;
  for (let index = at + 8; index < at + QUESTION_BYTES; index += 2) {
    sum += bytes[index]! << 8 | bytes[index + 1]!;
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return ~sum & 0xffff;
}

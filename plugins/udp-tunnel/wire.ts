// The tunnel's messages, byte by byte; WIRE.md says the same for people. All numbers are little-endian. Pure.

/** First byte of every datagram. */
export const INITIATION = 1, RESPONSE = 2, COOKIE = 3, DATA = 4;

/** Bound into every handshake: another protocol, or another version of this one, never gets through. */
export const PROLOGUE = new TextEncoder().encode("otb tunnel 2");
/** That of the version before: questions under it are recognised, to tell people that one end is older, and lead to nothing else. */
export const FORMER_PROLOGUE = new TextEncoder().encode("otb tunnel 1");

/** What a data packet adds to the IP packet in it: IP and UDP, its clear header, its sealed header, the tag. */
export const IPV4_UDP_BYTES = 28, IPV6_UDP_BYTES = 48, CLEAR_BYTES = 16, SEALED_BYTES = 16, TAG_BYTES = 16;
/** On a path over IPv4. */
export const OVERHEAD_BYTES = IPV4_UDP_BYTES + CLEAR_BYTES + SEALED_BYTES + TAG_BYTES;

/** The largest IP packet inside, over paths of plain Ethernet. */
export const MOST_INNER_MTU = 1500 - OVERHEAD_BYTES;

/** What a data packet holds: an IP packet, one half of a large one, what the ends tell each other, or nothing that counts. */
export const PACKET = 0, FIRST_HALF = 1, SECOND_HALF = 2, CONTROL = 3, PADDING = 4;

/**
 * The outer DSCP by class (classify.ts: interactive, real-time, bulk), where links give way to calls: CS4, EF, none; and of what the
 * ends tell each other: CS6. As a TOS byte.
 */
export const TOS = [0x80, 0xb8, 0], CONTROL_TOS = 0xc0;

/** Words of the sealed header, which stands before the IP packet. */
const GLOBAL = 0, SENT = 1, ORDER = 2, MARKS = 3;

/** What the sealed header says; SCHEDULING.md tells what for. */
export class SealedHeader {
  global = 0;
  sentUs = 0;
  stream = 0;
  age = 0;
  order = 0;
  paths = 0;
  queued = 0;
  content = 0;

  /** Writes it at a multiple of four bytes. @param words the arena as 32-bit words @param at the byte where it begins */
  write(words: Uint32Array, at: number): void {
    const word = at >>> 2;
    words[word + GLOBAL] = this.global;
    words[word + SENT] = this.sentUs;
    words[word + ORDER] = this.stream | this.age << 12 | this.order << 16;
    words[word + MARKS] = this.paths | this.queued << 8 | this.content << 16;
  }

  /** Reads what `write` wrote: every value of every bit is taken, none is trusted. */
  read(words: Uint32Array, at: number): void {
    const word = at >>> 2;
    const order = words[word + ORDER]!, marks = words[word + MARKS]!;
    this.global = words[word + GLOBAL]!;
    this.sentUs = words[word + SENT]!;
    this.stream = order & 0xfff;
    this.age = order >>> 12 & 15;
    this.order = order >>> 16;
    this.paths = marks & 255;
    this.queued = marks >>> 8 & 255;
    this.content = marks >>> 16 & 255;
  }
}

// Datagrams with numbers and times: what one looks like, and what a receiver can say of those that came. Pure.
import { Buffer } from "node:buffer";
import { BLOCK, BLOCK_BYTES } from "./blocks.ts";

/** Bytes before the payload that is compared: magic, session, kind, flow, sequence number, time of sending. */
export const HEADER_BYTES = 24;
const MAGIC = 0x6462746f;

/** `early` is data that counts for the order only: it was sent in the part that is left out. */
export const Kind = { hello: 0, heard: 1, data: 2, early: 3 } as const;

/** What stands before the payload. */
export interface Header {
  session: number;
  kind: number;
  /** 0 and up; a flow is a socket of the client. */
  flow: number;
  /** From 0 in each flow and direction. */
  sequence: number;
  /** Microseconds of CLOCK_MONOTONIC. */
  sentUs: number;
}

/** Writes a header at the start of `bytes`. */
export function writeHeader(bytes: Uint8Array, header: Header): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  view.setUint32(0, MAGIC);
  view.setUint32(4, header.session);
  view.setUint16(8, header.kind);
  view.setUint16(10, header.flow);
  view.setUint32(12, header.sequence);
  view.setFloat64(16, header.sentUs);
}

/** Reads a header; undefined when it is none of ours. */
export function readHeader(bytes: Uint8Array): Header | undefined {
  if (bytes.length < HEADER_BYTES) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0) !== MAGIC) return undefined;
  return {
    session: view.getUint32(4),
    kind: view.getUint16(8),
    flow: view.getUint16(10),
    sequence: view.getUint32(12),
    sentUs: view.getFloat64(16),
  };
}

/** Known bytes, another piece of them for each number; at most a block. */
export function payloadOf(sequence: number, length: number): Uint8Array {
  const at = sequence * 64 % (BLOCK_BYTES - 65_536);
  return BLOCK.subarray(at, at + length);
}

/** What came of one direction. A datagram is out of order when one with a higher number of its flow was there before (RFC 4737). */
export interface Received {
  /** Each number once. */
  received: number;
  duplicates: number;
  reordered: number;
  /** Other bytes or another length than were sent. */
  damaged: number;
  /** Bytes of UDP payload per second of arrivals. */
  mbps: number;
  /** From sending to the receiving program's reading, both by one clock. */
  delayMs: { min: number; median: number; p95: number; p99: number; max: number };
  /** The longest time without an arrival between the first and the last. */
  longestGapMs: number;
  /** Of the last arrival, CLOCK_MONOTONIC. */
  lastUs: number;
}

/** Takes the datagrams of one direction of a session as they come. */
export class DatagramMeter {
  #flows = new Map<number, { next: number; seen: Uint8Array }>();
  #delays = new Float32Array(1024);
  #received = 0;
  #duplicates = 0;
  #reordered = 0;
  #damaged = 0;
  #bytes = 0;
  #firstUs = 0;
  #lastUs = 0;
  #longestGapUs = 0;
  #recentGapUs = 0;

  /** @param bytes each should have */
  constructor(private readonly bytes: number) {}

  get received(): number {
    return this.#received;
  }

  /** @param packet the whole datagram; its header has been read */
  take({ flow, sequence, sentUs, kind }: Header, packet: Uint8Array, nowUs: number): void {
    let state = this.#flows.get(flow);
    if (!state) this.#flows.set(flow, state = { next: 0, seen: new Uint8Array(64) });
    const isLate = sequence < state.next;
    if (!isLate) state.next = sequence + 1;
    if (sequence >> 3 >= state.seen.length) {
      const grown = new Uint8Array(Math.max(2 * state.seen.length, (sequence >> 3) + 1));
      grown.set(state.seen);
      state.seen = grown;
    }
    const bit = 1 << (sequence & 7);
    const isDuplicate = (state.seen[sequence >> 3]! & bit) !== 0;
    state.seen[sequence >> 3]! |= bit;
    if (kind !== Kind.data) return;
    if (isDuplicate) {
      this.#duplicates++;
      return;
    }
    if (isLate) this.#reordered++;
    if (packet.length !== this.bytes || !isWhole(packet, sequence)) this.#damaged++;
    if (this.#received === 0) this.#firstUs = this.#lastUs = nowUs;
    const gapUs = nowUs - this.#lastUs;
    this.#longestGapUs = Math.max(this.#longestGapUs, gapUs);
    this.#recentGapUs = Math.max(this.#recentGapUs, gapUs);
    this.#lastUs = nowUs;
    if (this.#received === this.#delays.length) {
      const grown = new Float32Array(2 * this.#delays.length);
      grown.set(this.#delays);
      this.#delays = grown;
    }
    this.#delays[this.#received++] = (nowUs - sentUs) / 1000;
    this.#bytes += packet.length;
  }

  /** The longest time without an arrival since the last call, one that is not over yet included. */
  takeGapMs(nowUs: number): number {
    const gapUs = this.#received === 0 ? 0 : Math.max(this.#recentGapUs, nowUs - this.#lastUs);
    this.#recentGapUs = 0;
    return gapUs / 1000;
  }

  report(): Received {
    const delays = this.#delays.slice(0, this.#received).sort();
    const at = (share: number) =>
      delays[Math.min(delays.length - 1, Math.floor(delays.length * share))] ?? NaN;
    const spanUs = this.#lastUs - this.#firstUs;
    return {
      received: this.#received,
      duplicates: this.#duplicates,
      reordered: this.#reordered,
      damaged: this.#damaged,
      mbps: spanUs > 0 ? this.#bytes * 8 / spanUs : 0,
      delayMs: { min: at(0), median: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1) },
      longestGapMs: this.#longestGapUs / 1000,
      lastUs: this.#lastUs,
    };
  }
}

function isWhole(packet: Uint8Array, sequence: number): boolean {
  const wanted = payloadOf(sequence, packet.length - HEADER_BYTES);
  return Buffer.compare(packet.subarray(HEADER_BYTES), wanted) === 0;
}

// The peer's answer when a box asks whether it holds a link back (WIRE.md). Pure.
import type { Proof } from "./guard.ts";
import { ACK, DATA, HEAD_BYTES, isAnswer, writeHead } from "./frames.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Four numbers, u32le: kbit/s with it and without, seconds since and until. */
const PROOF_BYTES = 16;
export const HOLDS_BYTES = 2 * HEAD_BYTES + PROOF_BYTES;
const MOST = 2 ** 32 - 1;

/** Writes it into `out`, and answers how long it is. @param proof none: the link is not held back */
export function writeHolds(out: Bytes, proof: Proof | undefined, nowMs: number): number {
  writeHead(out, 0, ACK, 0, 0, 0);
  if (!proof) return HEAD_BYTES;
  writeHead(out, HEAD_BYTES, DATA, 0, PROOF_BYTES, 0);
  const { withBitsPerSecond, withoutBitsPerSecond, sinceMs, untilMs } = proof;
  const numbers = [
    withBitsPerSecond / 1000,
    withoutBitsPerSecond / 1000,
    (nowMs - sinceMs) / 1000,
    (untilMs - nowMs) / 1000,
  ];
  const view = new DataView(out.buffer, out.byteOffset);
  for (const [index, number] of numbers.entries()) {
    view.setUint32(2 * HEAD_BYTES + 4 * index, Math.min(MOST, Math.max(0, Math.round(number))), true);
  }
  return HOLDS_BYTES;
}

/** Reads it; `false`: the peer does not know the question. */
export function readHolds(bytes: Bytes, nowMs: number): Proof | undefined | false {
  if (!isAnswer(bytes.subarray(0, HEAD_BYTES))) return false;
  if (bytes.length === HEAD_BYTES) return undefined;
  if (bytes.length !== HOLDS_BYTES || bytes[HEAD_BYTES] !== DATA) return false;
  const view = new DataView(bytes.buffer, bytes.byteOffset + 2 * HEAD_BYTES);
  const number = (index: number) => view.getUint32(4 * index, true) * 1000;
  return {
    withBitsPerSecond: number(0),
    withoutBitsPerSecond: number(1),
    sinceMs: nowMs - number(2),
    untilMs: nowMs + number(3),
  };
}

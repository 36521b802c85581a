// The first words of every connection of a striped stream: what it is for, and which stream it belongs to (WIRE.md). Pure.
import { HEAD_BYTES } from "./frames.ts";
import { readTarget, type Target } from "../../wire/address.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** The target that only a peer of ours knows; no such name is ever in the DNS (RFC 6761 section 6.4). */
const RESERVED_NAME = "stripe.otb.invalid", RESERVED_PORT = 1;
const VERSION = 1;
/** A stream's name: nobody guesses it. */
export const TOKEN_BYTES = 16;
/** Version, kind, token; behind them a target where a stream is opened. */
export const HELLO_BYTES = 2 + TOKEN_BYTES;
/** Room that they take before the first payload, with its head. */
export const WORDS_BYTES = HELLO_BYTES + 259 + HEAD_BYTES;
/**
 * What a connection is for: a new stream, one more way of a running one, or a question: whether the peer knows all this, and whether it
 * holds this link back.
 */
export const OPEN = 1, JOIN = 2, ASK = 3, ASK_HELD = 4;

/** The reserved name as a target of SOCKS5. */
export const RESERVED_TARGET: Bytes = new Uint8Array([
  3,
  RESERVED_NAME.length,
  ...new TextEncoder().encode(RESERVED_NAME),
  RESERVED_PORT >> 8,
  RESERVED_PORT & 255,
]);

/** Whether a target is that one, as SOCKS5 writes it. */
export function isReservedTarget(target: Bytes): boolean {
  return target.length === RESERVED_TARGET.length &&
    RESERVED_TARGET.every((byte, at) => byte === target[at]);
}

/** Whether a target is that name: it is never looked up nor dialled. */
export function isReserved(target: Target): boolean {
  return target.named && target.port === RESERVED_PORT && target.host === RESERVED_NAME;
}

/** What a connection began with. */
export type Hello =
  | { kind: typeof ASK }
  | { kind: typeof ASK_HELD }
  | { kind: typeof JOIN; token: string; end: number }
  | { kind: typeof OPEN; token: string; target: Target; end: number };

/** Writes the first words; with a target where they open a stream. */
export function helloOf(kind: number, token: Bytes, target?: Bytes): Bytes {
  const words = new Uint8Array(HELLO_BYTES + (target?.length ?? 0));
  words[0] = VERSION;
  words[1] = kind;
  words.set(token, 2);
  if (target) words.set(target, HELLO_BYTES);
  return words;
}

/** Reads them; `end` is where the frames begin. Undefined: they are none of this version. */
export function readHello(words: Bytes): Hello | undefined {
  if (words.length < HELLO_BYTES || words[0] !== VERSION) return undefined;
  const kind = words[1];
  if (kind === ASK) return { kind };
  if (kind === ASK_HELD) return { kind };
  const token = words.subarray(2, HELLO_BYTES).toHex();
  if (kind === JOIN) return { kind, token, end: HELLO_BYTES };
  if (kind !== OPEN) return undefined;
  const read = readTarget(words, HELLO_BYTES, words.length);
  return read?.target && { kind, token, target: read.target, end: HELLO_BYTES + read.length };
}

// The headers of Shadowsocks 2022, byte for byte (SIP022 section 3.1). Pure but for the AEAD sessions handed in.
import { type AeadMethod, type AeadSession, SALT_BYTES, TAG_BYTES } from "../../../core/native/ffi.ts";
import { readTarget, type Target } from "./address.ts";
import { IDENTITY_BYTES } from "./sip023.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const REQUEST_TYPE = 0, RESPONSE_TYPE = 1;
/**
 * What SIP022 lacks: a word for the end, without which a stream that was cut on the way looks whole. A request says by the
 * beginning of its padding, which others skip, that its sender ends its stream by an empty frame and expects the same; an answer
 * says it by a type of its own, to such a sender alone.
 */
const ENDS_MARK = new TextEncoder().encode("otb:ends"), RESPONSE_TYPE_ENDS = 2;
/** type u8, time u64be, length u16be */
const REQUEST_FIXED = 1 + 8 + 2;
/** type u8, time u64be, salt of the request, length u16be */
const RESPONSE_FIXED = 1 + 8 + SALT_BYTES + 2;
export const METHOD: AeadMethod = "2022-blake3-aes-256-gcm";
/** Clocks may differ by this much (section 3.1.3). */
export const CLOCK_WINDOW_SECONDS = 30;
const MAX_PADDING = 900;

/** Where the variable header of a request begins whose fixed header, sealed, is at `at`: all before must come in one read. */
export const requestHead = (at: number) => at + REQUEST_FIXED + TAG_BYTES;
/** What a request starts with on the wire, at least: salt and sealed fixed header. */
export const REQUEST_HEAD = requestHead(SALT_BYTES);
/** The same of a response. */
export const RESPONSE_HEAD = SALT_BYTES + RESPONSE_FIXED + TAG_BYTES;
/** Room for a request header around its payload. */
export const REQUEST_OVERHEAD = REQUEST_HEAD + IDENTITY_BYTES + 259 + 2 + MAX_PADDING + TAG_BYTES;

/** Why a header is not accepted. */
export type Refusal = "forged" | "type" | "time" | "malformed";

/**
 * Writes a whole request: salt, identity, fixed header, and variable header with target, padding and first payload.
 *
 * @param identity the identity header of SIP023, or no bytes
 * @param plain scratch; the target lies at `0..targetLength`, the payload is moved behind it
 * @param padding random number below 2^32, used when there is no payload
 */
export function sealRequest(
  sealer: AeadSession,
  salt: Bytes,
  identity: Bytes,
  target: Bytes,
  payload: Bytes,
  payloadLength: number,
  nowSeconds: number,
  padding: number,
  plain: Bytes,
  out: Bytes,
): number {
  const paddingLength = ENDS_MARK.length +
    (payloadLength > 0 ? 0 : padding % (MAX_PADDING - ENDS_MARK.length));
  const length = target.length + 2 + paddingLength + payloadLength;
  out.set(salt);
  plain[0] = REQUEST_TYPE;
  writeTime(plain, nowSeconds);
  plain[9] = length >> 8;
  plain[10] = length & 255;
  out.set(identity, SALT_BYTES);
  let at = SALT_BYTES + identity.length;
  at += sealer.sealOne(plain, 0, REQUEST_FIXED, out, at);
  plain.set(target);
  plain[target.length] = paddingLength >> 8;
  plain[target.length + 1] = paddingLength & 255;
  plain.fill(0, target.length + 2, target.length + 2 + paddingLength);
  plain.set(ENDS_MARK, target.length + 2);
  plain.set(payload.subarray(0, payloadLength), target.length + 2 + paddingLength);
  return at + sealer.sealOne(plain, 0, length, out, at);
}

/** Opens the fixed header of a request, sealed at `at`; answers the length of the variable one, or why not. */
export function openRequestHead(
  opener: AeadSession,
  input: Bytes,
  at: number,
  nowSeconds: number,
  plain: Bytes,
): number | Refusal {
  if (opener.openOne(input, at, REQUEST_FIXED + TAG_BYTES, plain, 0) < 0) return "forged";
  return checkHead(plain, REQUEST_TYPE, nowSeconds) ?? plain[9]! * 256 + plain[10]!;
}

/**
 * Opens the variable header; answers target, where the payload lies in `plain`, and whether its sender ends its stream by an
 * empty frame; or why not.
 */
export function openRequestBody(
  opener: AeadSession,
  input: Bytes,
  offset: number,
  length: number,
  plain: Bytes,
): { target: Target; payloadOffset: number; saysEnd: boolean } | Refusal {
  if (opener.openOne(input, offset, length + TAG_BYTES, plain, 0) < 0) return "forged";
  const read = readTarget(plain, 0, length);
  if (!read?.target || read.length + 2 > length) return "malformed";
  const paddingLength = plain[read.length]! * 256 + plain[read.length + 1]!;
  const payloadOffset = read.length + 2 + paddingLength;
  if (paddingLength > MAX_PADDING || payloadOffset > length) return "malformed";
  // Neither padding nor payload would tell a prober what we are by its length.
  if (paddingLength === 0 && payloadOffset === length) return "malformed";
  const saysEnd = paddingLength >= ENDS_MARK.length &&
    ENDS_MARK.every((byte, index) => plain[read.length + 2 + index] === byte);
  return { target: read.target, payloadOffset, saysEnd };
}

/** Writes the head of a response with its first payload; returns its length. */
export function sealResponse(
  sealer: AeadSession,
  salt: Bytes,
  requestSalt: Bytes,
  payload: Bytes,
  payloadLength: number,
  nowSeconds: number,
  saysEnd: boolean,
  out: Bytes,
): number {
  head[0] = saysEnd ? RESPONSE_TYPE_ENDS : RESPONSE_TYPE;
  writeTime(head, nowSeconds);
  head.set(requestSalt, 9);
  head[9 + SALT_BYTES] = payloadLength >> 8;
  head[10 + SALT_BYTES] = payloadLength & 255;
  out.set(salt);
  let at = SALT_BYTES;
  at += sealer.sealOne(head, 0, RESPONSE_FIXED, out, at);
  return at + sealer.sealOne(payload, 0, payloadLength, out, at);
}

/** Opens the fixed header of a response; answers the length of the first payload and whether an end is said, or why not. */
export function openResponseHead(
  opener: AeadSession,
  requestSalt: Bytes,
  input: Bytes,
  nowSeconds: number,
): { payload: number; saysEnd: boolean } | Refusal {
  if (opener.openOne(input, SALT_BYTES, RESPONSE_FIXED + TAG_BYTES, head, 0) < 0) return "forged";
  const saysEnd = head[0] === RESPONSE_TYPE_ENDS;
  const refusal = checkHead(head, saysEnd ? RESPONSE_TYPE_ENDS : RESPONSE_TYPE, nowSeconds);
  if (refusal) return refusal;
  for (let index = 0; index < SALT_BYTES; index++) {
    if (head[9 + index] !== requestSalt[index]) return "malformed";
  }
  return { payload: head[9 + SALT_BYTES]! * 256 + head[10 + SALT_BYTES]!, saysEnd };
}

/** Where a response's fixed header is put together and taken apart: both are done with before the next one. */
const head = new Uint8Array(RESPONSE_FIXED);

/** Seconds since the epoch as u64be behind the type. */
function writeTime(plain: Bytes, seconds: number): void {
  for (let index = 8, rest = seconds; index > 0; index--, rest = Math.floor(rest / 256)) {
    plain[index] = rest % 256;
  }
}

function readTime(plain: Bytes): number {
  let seconds = 0;
  for (let index = 1; index <= 8; index++) seconds = seconds * 256 + plain[index]!;
  return seconds;
}

function checkHead(plain: Bytes, type: number, nowSeconds: number): Refusal | undefined {
  if (plain[0] !== type) return "type";
  return Math.abs(readTime(plain) - nowSeconds) > CLOCK_WINDOW_SECONDS ? "time" : undefined;
}

// One question to an NTP server and its answer (RFC 5905 section 7.3). Pure; answers are hostile input.

/** Length of a packet without extensions. */
export const PACKET_BYTES = 48;
/** Seconds from 1900, where NTP begins, to 1970. */
const EPOCH_SECONDS = 2_208_988_800;
const ERA_SECONDS = 2 ** 32;
/** A server that is itself further than this from its own source is no source (MAXDIST of RFC 5905). */
const MAX_ROOT_DISTANCE_MS = 1_500;
/** What two honest answers may differ by beyond what they say of themselves. */
const LEAST_ERROR_MS = 5;
const CLIENT_VERSION_4 = 0x23, SERVER_MODE = 4, UNSYNCHRONISED = 3, MAX_STRATUM = 15;

/** What one answer says: the true time is this machine's plus `offsetMs`, give or take `errorMs`. */
export interface Reading {
  offsetMs: number;
  errorMs: number;
}

/** What an answer is: a reading, an order to ask no more (a kiss-o'-death), or nothing to go by. */
export type Answer = Reading | "kiss" | "unusable";

/** A question. The transmit timestamp is random: nobody else can answer, and no clock is told (RFC 9109's idea). */
export function question(nonce: Uint8Array): Uint8Array<ArrayBuffer> {
  const packet = new Uint8Array(PACKET_BYTES);
  packet[0] = CLIENT_VERSION_4;
  packet.set(nonce.subarray(0, 8), 40);
  return packet;
}

/**
 * Reads the answer to a question.
 *
 * @param sentMs when the question left, by this machine's clock, in milliseconds since 1970
 * @param receivedMs when the answer came, by the same clock
 * @param floorMs has passed for certain: it tells which era of 136 years the server's 32 bits of seconds are in
 */
export function readAnswer(
  packet: Uint8Array,
  nonce: Uint8Array,
  { sentMs, receivedMs, floorMs }: { sentMs: number; receivedMs: number; floorMs: number },
): Answer {
  if (packet.length < PACKET_BYTES) return "unusable";
  const view = new DataView(packet.buffer, packet.byteOffset, packet.byteLength);
  const leap = packet[0]! >> 6, version = packet[0]! >> 3 & 7, mode = packet[0]! & 7, stratum = packet[1]!;
  const echoed = nonce.every((byte, index) => packet[24 + index] === byte);
  if (mode !== SERVER_MODE || version < 3 || version > 4 || !echoed) return "unusable";
  if (stratum === 0) return "kiss";
  if (leap === UNSYNCHRONISED || stratum > MAX_STRATUM) return "unusable";
  const rootDistanceMs = shortMs(view, 4) / 2 + shortMs(view, 8);
  const serverReceivedMs = timestampMs(view, 32, floorMs), serverSentMs = timestampMs(view, 40, floorMs);
  if (serverReceivedMs === undefined || serverSentMs === undefined) return "unusable";
  const delayMs = receivedMs - sentMs - (serverSentMs - serverReceivedMs);
  if (rootDistanceMs > MAX_ROOT_DISTANCE_MS || serverSentMs < serverReceivedMs || delayMs < -1) {
    return "unusable";
  }
  return {
    offsetMs: (serverReceivedMs - sentMs + (serverSentMs - receivedMs)) / 2,
    errorMs: LEAST_ERROR_MS + Math.max(0, delayMs) / 2 + rootDistanceMs,
  };
}

/** 16 bits of seconds and 16 of fraction. */
function shortMs(view: DataView, at: number): number {
  return view.getUint32(at) / 65_536 * 1_000;
}

/** 32 bits of seconds and 32 of fraction, in the era that is nearest to the floor; undefined for "not known". */
function timestampMs(view: DataView, at: number, floorMs: number): number | undefined {
  const seconds = view.getUint32(at), fraction = view.getUint32(at + 4);
  if (seconds === 0 && fraction === 0) return undefined;
  const firstEra = seconds - EPOCH_SECONDS;
  const era = Math.round((floorMs / 1_000 - firstEra) / ERA_SECONDS);
  return (firstEra + era * ERA_SECONDS + fraction / ERA_SECONDS) * 1_000;
}

// What the two ends of a session tell each other about its paths, as it travels inside data packets. Pure.
import { ADDRESS_BYTES } from "../../../core/native/ffi.ts";
import { MAX_PATHS } from "../schedule/delivery.ts";
import type { PathReport } from "../paths/path_meter.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** `tier` of a path that carries nothing. */
export const TIER_NEVER = 3;

/** What is told of one path. */
export interface PathEntry {
  path: number;
  /** How the box wishes it to be used, 0 to TIER_NEVER; what the cloud says here counts for nothing. */
  tier: number;
  /** What may come down over it at most, kilobits per second, as the box knows; 0: not known. */
  capKbps: number;
  /** Whether anything was heard over it, the newest `sent` of that, and how long ago it came. */
  isHeard: boolean;
  echoUs: number;
  heldUs: number;
  /** The largest packet that came of the newest round of size probes, IP bytes. */
  mtuRound: number;
  mtuBytes: number;
  /** How fast the newest train came; 0: none came whole. */
  trainRound: number;
  trainKbps: number;
  /** How much longer than the least the other end's messages took of late, microseconds. */
  queueUs: number;
  /** What the sender believes that the path carries its way, kilobits per second; and that it was never full. */
  rateKbps: number;
  isStarting: boolean;
  /** What was measured since the report before; absent when nothing came. */
  report?: PathReport;
}

/** One message. */
export interface Control {
  /** Number of the report: the same one travels over every path, and counts once. */
  beat: number;
  /** Something is going on: tell soon, and often. */
  isActive: boolean;
  /** An idle end shall confirm it at once; one that is not does so anyway. */
  wantsAnswer: boolean;
  /** How the sender sees the receiver's end of the path that this came over: an address record. */
  observed: Bytes;
  entries: PathEntry[];
}

const HEAD_BYTES = 28, ENTRY_BYTES = 68;
/** The largest message. */
export const CONTROL_BYTES = HEAD_BYTES + MAX_PATHS * ENTRY_BYTES;
const KIND = 1, ACTIVE = 1, WANTS_ANSWER = 2, HEARD = 1, REPORT = 2, STARTING = 4;
const FIELDS = [
  "receivedBytes",
  "receivedPackets",
  "lostPackets",
  "receivedSpanUs",
  "sentSpanUs",
  "excessUs",
  "peakUs",
  "baseUs",
  "delayUs",
] as const;
/** Fields from here on may be negative. */
const SIGNED = FIELDS.indexOf("excessUs");

/** Writes a message at `at`. @returns its length in bytes */
export function encodeControl(
  { beat, isActive, wantsAnswer, observed, entries }: Control,
  out: Bytes,
  at: number,
): number {
  const view = new DataView(out.buffer, out.byteOffset + at, HEAD_BYTES + entries.length * ENTRY_BYTES);
  view.setUint8(0, KIND);
  view.setUint8(1, (isActive ? ACTIVE : 0) | (wantsAnswer ? WANTS_ANSWER : 0));
  view.setUint16(2, entries.length, true);
  view.setUint32(4, beat, true);
  out.set(observed, at + 8);
  for (const [index, entry] of entries.entries()) {
    const to = HEAD_BYTES + index * ENTRY_BYTES;
    view.setUint8(to, entry.path);
    const flags = (entry.isHeard ? HEARD : 0) | (entry.report ? REPORT : 0) |
      (entry.isStarting ? STARTING : 0);
    view.setUint8(to + 1, flags);
    view.setUint8(to + 2, entry.tier);
    view.setUint8(to + 3, entry.mtuRound);
    view.setUint16(to + 4, entry.mtuBytes, true);
    view.setUint8(to + 6, entry.trainRound);
    view.setUint8(to + 7, 0);
    view.setUint32(to + 8, entry.trainKbps, true);
    view.setUint32(to + 12, entry.capKbps, true);
    view.setUint32(to + 16, entry.echoUs, true);
    view.setUint32(to + 20, entry.heldUs, true);
    view.setUint32(to + 24, entry.queueUs, true);
    view.setUint32(to + 28, entry.rateKbps, true);
    for (const [field, name] of FIELDS.entries()) {
      view.setInt32(to + 32 + 4 * field, entry.report ? clamp(entry.report[name]) : 0, true);
    }
  }
  return view.byteLength;
}

/** Reads a message; undefined for what is none. */
export function decodeControl(bytes: Bytes, at: number, length: number): Control | undefined {
  if (length < HEAD_BYTES) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, length);
  const count = view.getUint16(2, true);
  if (view.getUint8(0) !== KIND || count > MAX_PATHS || length < HEAD_BYTES + count * ENTRY_BYTES) {
    return undefined;
  }
  const entries: PathEntry[] = [];
  for (let index = 0; index < count; index++) {
    const from = HEAD_BYTES + index * ENTRY_BYTES;
    const path = view.getUint8(from), flags = view.getUint8(from + 1);
    if (path >= MAX_PATHS) return undefined;
    const report = (flags & REPORT) === 0 ? undefined : Object.fromEntries(
      FIELDS.map((name, field) => {
        const to = from + 32 + 4 * field;
        return [name, field < SIGNED ? view.getUint32(to, true) : view.getInt32(to, true)];
      }),
    ) as unknown as PathReport;
    entries.push({
      path,
      isHeard: (flags & HEARD) !== 0,
      tier: Math.min(view.getUint8(from + 2), TIER_NEVER),
      mtuRound: view.getUint8(from + 3),
      mtuBytes: view.getUint16(from + 4, true),
      trainRound: view.getUint8(from + 6),
      trainKbps: view.getUint32(from + 8, true),
      capKbps: view.getUint32(from + 12, true),
      echoUs: view.getUint32(from + 16, true),
      heldUs: view.getUint32(from + 20, true),
      queueUs: view.getUint32(from + 24, true),
      rateKbps: view.getUint32(from + 28, true),
      isStarting: (flags & STARTING) !== 0,
      report,
    });
  }
  return {
    beat: view.getUint32(4, true),
    isActive: (view.getUint8(1) & ACTIVE) !== 0,
    wantsAnswer: (view.getUint8(1) & WANTS_ANSWER) !== 0,
    observed: bytes.slice(at + 8, at + 8 + ADDRESS_BYTES),
    entries,
  };
}

function clamp(value: number): number {
  return Math.max(-(2 ** 31), Math.min(2 ** 31 - 1, Math.round(value)));
}

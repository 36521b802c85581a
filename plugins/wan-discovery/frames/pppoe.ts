// PPPoE discovery (RFC 2516 5): asks whether an operator's access concentrator is on a port, and reads who says so. Pure.
import { BROADCAST_MAC, type Bytes, isStation, macBytes, readMac } from "./addresses.ts";

const ETHERNET = 14, HEADER = 6, SHORTEST = 60;
const DISCOVERY = 0x8863, VERSION_TYPE = 0x11, PADI = 0x09, PADO = 0x07;
const END = 0x0000, SERVICE_NAME = 0x0101, CONCENTRATOR_NAME = 0x0102, HOST_UNIQUE = 0x0103;

/** An access concentrator that offered itself. */
export interface PppoeOffer {
  mac: string;
  /** As it calls itself, letters, digits and a few signs only. */
  name: string;
}

/** Asks everybody (PADI), for any service; `unique` comes back in the offers. */
export function pppoeQuestion(mac: string, unique: number): Bytes {
  const tags = [SERVICE_NAME, 0, HOST_UNIQUE, 4];
  const frame = new Uint8Array(SHORTEST);
  const view = new DataView(frame.buffer);
  frame.set([...macBytes(BROADCAST_MAC), ...macBytes(mac)]);
  view.setUint16(12, DISCOVERY);
  frame.set([VERSION_TYPE, PADI], ETHERNET);
  view.setUint16(ETHERNET + 4, tags.length * 2 + 4);
  for (const [index, half] of tags.entries()) view.setUint16(ETHERNET + HEADER + 2 * index, half);
  view.setUint32(ETHERNET + HEADER + 2 * tags.length, unique);
  return frame;
}

/** The offer (PADO) that answers the question with that number. */
export function parsePppoeOffer(frame: Bytes, unique: number): PppoeOffer | undefined {
  if (frame.length < ETHERNET + HEADER) return undefined;
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
  const mac = readMac(frame, 6);
  const isOffer = view.getUint16(12) === DISCOVERY && frame[ETHERNET] === VERSION_TYPE &&
    frame[ETHERNET + 1] === PADO;
  const end = ETHERNET + HEADER + view.getUint16(ETHERNET + 4);
  if (!isOffer || !isStation(mac) || end > frame.length) return undefined;
  let name = "", answers = false;
  for (let at = ETHERNET + HEADER; at + 4 <= end;) {
    const [tag, length] = [view.getUint16(at), view.getUint16(at + 2)];
    const value = at + 4;
    if (tag === END || value + length > end) break;
    if (tag === HOST_UNIQUE) answers = length === 4 && view.getUint32(value) === unique;
    if (tag === CONCENTRATOR_NAME) {
      const text = new TextDecoder("latin1").decode(frame.subarray(value, value + Math.min(length, 64)));
      name = text.replace(/[^A-Za-z0-9._-]/g, "?");
    }
    at = value + length;
  }
  return answers ? { mac, name } : undefined;
}

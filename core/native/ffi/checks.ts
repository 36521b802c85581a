// What the library trusts is checked on this side.
import { OtbError } from "../../contract/mod.ts";
import type { Bytes } from "./symbols.ts";

/** Bytes of a key. */
export const KEY_BYTES = 32;

/** Whether a range is not within a buffer. */
export function isOutside(buffer: Bytes, offset: number, length: number): boolean {
  return !(offset >= 0 && length >= 0 && offset + length <= buffer.byteLength);
}

/** A text as the library takes it. */
export function encodeText(value: string): Bytes;
export function encodeText(value: string | undefined): Bytes | null;
export function encodeText(value: string | undefined): Bytes | null {
  return value === undefined ? null : new TextEncoder().encode(value);
}

/** @throws OtbError `<whose>-key-length` */
export function checkKey(key: Bytes, whose: string, name: string): void {
  if (key.byteLength === KEY_BYTES) return;
  throw new OtbError(
    `${whose}-key-length`,
    `Cannot use ${name} as it must have ${KEY_BYTES} bytes: current length is "${key.byteLength}"`,
  );
}

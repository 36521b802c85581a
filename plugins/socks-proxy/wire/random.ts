// Random bytes for salts. None is drawn ahead of need: a machine that was restored from a snapshot with its memory would give
// out again what its twin gave.
import type { Native } from "../../../core/native/ffi.ts";
import { arena } from "../relay/arena.ts";

/** So many bytes that nobody else has, drawn now. */
export function randomBytes(native: Native, length: number): Uint8Array<ArrayBuffer> {
  return native.random(arena.take(length));
}

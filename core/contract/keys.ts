// Keys that a box and its peer share, as secrets have them.
import { OtbError } from "./errors.ts";

/** A box that belongs to this peer, and the key that only the two know. */
export interface BoxKey {
  name: string;
  /** Base64 of 32 random bytes. */
  key: string;
  /** The one key of before there was one per box: several boxes may have it, and come without saying who they are. */
  former?: boolean;
  /** When it was added, milliseconds since the epoch; absent for the former key. */
  addedAtMs?: number;
}

/**
 * The boxes of this peer by its secret `boxes`; a peer of before there was one has a single box, by its secret `psk`.
 *
 * @throws OtbError `secret-missing` when there is neither
 */
export function readBoxes(secret: (name: string) => string): BoxKey[] {
  try {
    return JSON.parse(secret("boxes"));
  } catch (error) {
    if (!(error instanceof OtbError) || error.code !== "secret-missing") throw error;
    return [{ name: "box", key: secret("psk"), former: true }];
  }
}

/**
 * The bytes of a key that is stored as base64, like the secret `psk`; `name` says which one is refused.
 *
 * @throws OtbError `key-invalid`; the key itself is never repeated
 */
export function readKey(text: string, name: string): Uint8Array<ArrayBuffer> {
  let bytes: Uint8Array<ArrayBuffer> | undefined;
  try {
    bytes = Uint8Array.fromBase64(text.trim());
  } catch {
    // Refused below.
  }
  // Sixteen different bytes among 32: no random key has fewer, every typed phrase and pattern does.
  if (bytes?.length === 32 && new Set(bytes).size >= 16) return bytes;
  throw new OtbError(
    "key-invalid",
    `Cannot use ${name} as it must be 32 random bytes in base64`,
    "On the peer: otb peer box code NAME, or add; on the box: otb peer join -",
  );
}

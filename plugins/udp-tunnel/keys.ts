// Keys as they are stored: base64 of 32 bytes.
import { OtbError } from "../../core/plugin.ts";

/** @throws OtbError `key-invalid`; the key itself is never repeated */
export function readKey(text: string, name: string): Uint8Array<ArrayBuffer> {
  let bytes: Uint8Array<ArrayBuffer> | undefined;
  try {
    bytes = Uint8Array.from(atob(text.trim()), (character) => character.charCodeAt(0));
  } catch {
    // Refused below.
  }
  // Sixteen different bytes among 32: no random key has fewer, every typed phrase and pattern does.
  if (bytes?.length === 32 && new Set(bytes).size >= 16) return bytes;
  throw new OtbError(
    "key-invalid",
    `Cannot use ${name} as it must be 32 random bytes in base64`,
    "Run otb init again.",
  );
}

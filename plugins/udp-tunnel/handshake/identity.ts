// Who a box is on the wire, computed from its key. Both ends compute the same.
import type { Native } from "../../../core/native/ffi.ts";
import { BOX_ID_BYTES, PROOF_AT, PROOF_BYTES } from "./greeting.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Bytes of what names a session for other plugins. */
const NAME_BYTES = 16;

const label = (text: string) => new TextEncoder().encode(text);

export function joined(...parts: Bytes[]): Bytes {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

export class Identity {
  /** As SIP023 has it: the first 16 bytes of BLAKE3 of the key. */
  readonly id: Bytes;
  readonly #greeting: Bytes;
  readonly #session: Bytes;

  /** @param psk the box's key, 32 bytes */
  constructor(private readonly native: Native, readonly psk: Bytes) {
    this.id = native.hash(psk).slice(0, BOX_ID_BYTES);
    this.#greeting = native.mac(psk, label("otb tunnel greeting"));
    this.#session = native.mac(psk, label("otb tunnel session"));
  }

  /**
   * Proves that who greets has the key, and said just this: it binds the greeting to this question and to nobody else's.
   * @param clear the question before the Noise message @param ephemeral and @param own the keys in that message
   */
  proof(clear: Bytes, ephemeral: Bytes, own: Bytes, hello: Bytes): Bytes {
    const all = joined(clear, ephemeral, own, hello.subarray(0, PROOF_AT));
    return this.native.mac(this.#greeting, all).slice(0, PROOF_BYTES);
  }

  /** What names the session to other plugins at both ends, and tells nobody else anything (TunnelFact.session). */
  sessionName(sessionId: Bytes, peerId: Bytes): string {
    const name = this.native.mac(this.#session, joined(sessionId, peerId)).subarray(0, NAME_BYTES);
    return hexOf(name);
  }
}

export function hexOf(bytes: Bytes): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

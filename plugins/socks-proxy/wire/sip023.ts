// The identity header of Shadowsocks 2022 (SIP023, TCP): says which of a peer's boxes sends, to who has the peer's key only.
import { type Native, SALT_BYTES } from "../../../core/native/ffi.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** One identity header: between salt and fixed header. */
export const IDENTITY_BYTES = 16;

/** Who has this key: the first 16 bytes of its BLAKE3. */
export function identityOf(native: Native, key: Bytes): Bytes {
  return native.hash(key).slice(0, IDENTITY_BYTES);
}

/** What one box needs to say who it is. */
export class Identity {
  readonly #identity: Bytes;
  readonly #header = new Uint8Array(IDENTITY_BYTES);

  constructor(private readonly native: Native, private readonly peerKey: Bytes, boxKey: Bytes) {
    this.#identity = identityOf(native, boxKey);
  }

  /** The header for a request with this salt; the same memory every time. */
  header(salt: Bytes): Bytes {
    this.#header.set(this.#identity);
    this.native.identity(this.peerKey, salt.subarray(0, SALT_BYTES), this.#header, "seal");
    return this.#header;
  }
}

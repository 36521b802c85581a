// The older Shadowsocks with `aes-256-gcm` (SIP004), for clients that know nothing newer; off unless switched on.
// It has no clock: a salt is refused for as long as salts are remembered.
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { type AeadSession, type Native, SALT_BYTES } from "../../../core/native/ffi.ts";
import { type Codec, FrameCodec } from "../relay/relay.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Key of 32 bytes from a password, as OpenSSL's EVP_BytesToKey with MD5 makes it. */
export function legacyKey(password: string): Bytes {
  let block: Buffer = Buffer.alloc(0);
  const blocks: Buffer[] = [];
  while (blocks.length < 2) {
    block = createHash("md5").update(block).update(password).digest();
    blocks.push(block);
  }
  return new Uint8Array(Buffer.concat(blocks));
}

/** Opens the session of a client from the salt that it begins with. */
export function openLegacy(native: Native, key: Bytes, input: Bytes): AeadSession {
  return native.aead("aes-256-gcm", key, input.subarray(0, SALT_BYTES));
}

/** Frames both ways, with our salt before the first that goes back. */
export class LegacyCodec extends FrameCodec implements Codec {
  #said = false;

  constructor(sealer: AeadSession, opener: AeadSession, private readonly salt: Bytes) {
    super(sealer, opener);
  }

  override seal(input: Bytes, length: number, output: Bytes): number {
    if (this.#said) return super.seal(input, length, output);
    this.#said = true;
    output.set(this.salt);
    const sealed = this.sealer.sealFrames(input, 0, length, output, SALT_BYTES);
    return sealed < 0 ? sealed : SALT_BYTES + sealed;
  }
}

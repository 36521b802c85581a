// Noise handshakes.
import { OtbError } from "../../contract/mod.ts";
import { checkKey, KEY_BYTES } from "./checks.ts";
import { checked } from "./errors.ts";
import type { Bytes, Symbols } from "./symbols.ts";
import { TunnelKeys } from "./tunnel.ts";

/** How to start a handshake; all keys have KEY_BYTES bytes. */
export interface NoiseOptions {
  initiator: boolean;
  /** The own static key. */
  privateKey: Bytes;
  /** The other end's static public key, which the initiator must know. */
  remotePublicKey?: Bytes;
  /** A secret that both ends share besides; a responder may give it by `setPsk` once it has read who asks. */
  psk?: Bytes;
  /** What both ends must agree on without saying it; empty is fine. */
  prologue: Bytes;
}

/** What the two messages are longer than their payloads. */
export const NOISE_OVERHEAD = { first: 96, second: 48 } as const;

/**
 * One handshake, Noise_IKpsk2_25519_AESGCM_SHA256 (noiseprotocol.org): the initiator writes, the responder reads and
 * writes, the initiator reads, both split. `free` it (or `using`): it wipes the keys.
 *
 * ```ts
 * using handshake = native.noise({ initiator: true, privateKey, remotePublicKey, psk, prologue });
 * const length = handshake.write(hello, message); // send message.subarray(0, length), receive the answer
 * if (handshake.read(answer, payload) >= 0) keys = handshake.split(localIndex, remoteIndex);
 * ```
 */
export class NoiseHandshake {
  #symbols: Symbols;
  #pointer: Deno.PointerValue;

  /** Use `native.noise`. */
  constructor(symbols: Symbols, options: NoiseOptions) {
    this.#symbols = symbols;
    const { initiator, privateKey, remotePublicKey, psk, prologue } = options;
    checkKey(privateKey, "noise", "private key");
    if (psk) checkKey(psk, "noise", "pre-shared key");
    if (initiator) checkKey(remotePublicKey ?? new Uint8Array(0), "noise", "remote public key");
    const remote = initiator ? remotePublicKey! : null;
    this.#pointer = symbols.otb_noise_new(privateKey, remote, psk ?? null, prologue, prologue.byteLength);
    if (this.#pointer === null) {
      throw new OtbError("noise-refused", "Cannot start a handshake as its keys must be accepted by snow");
    }
  }

  /**
   * Sets the pre-shared key, which is needed from the second message on.
   * @throws OtbError `noise-key-length`, `native-einval` when the handshake is over
   */
  setPsk(psk: Bytes): void {
    checkKey(psk, "noise", "pre-shared key");
    checked(this.#symbols.otb_noise_set_psk(this.#pointer, psk), "set the pre-shared key of a handshake");
  }

  /**
   * Writes the next message: returns its length, payload plus NOISE_OVERHEAD, or -ENOBUFS when `out` is smaller, or -EINVAL
   * when it is not this end's turn, or -EIO without the pre-shared key.
   */
  write(payload: Bytes, out: Bytes): number {
    return this.#symbols.otb_noise_write(
      this.#pointer,
      payload,
      payload.byteLength,
      out,
      out.byteLength,
    );
  }

  /**
   * Reads the other end's message: returns the length of its payload, or -EBADMSG when it is not authentic, after which
   * the right message may still come. -ENOBUFS and -EINVAL as for `write`.
   */
  read(message: Bytes, out: Bytes): number {
    return this.#symbols.otb_noise_read(
      this.#pointer,
      message,
      message.byteLength,
      out,
      out.byteLength,
    );
  }

  /** The other end's static key; the responder knows it once it has read the first message. */
  remoteKey(): Bytes | undefined {
    const key = new Uint8Array(KEY_BYTES);
    return this.#symbols.otb_noise_remote_key(this.#pointer, key) === 1 ? key : undefined;
  }

  /** An initiator's own ephemeral public key, which the first message begins with: a payload may refer to it. */
  ephemeralKey(): Bytes | undefined {
    const key = new Uint8Array(KEY_BYTES);
    return this.#symbols.otb_noise_ephemeral(this.#pointer, key) === 1 ? key : undefined;
  }

  /**
   * Ends the handshake and returns the keys of both directions. `localIndex` stands in packets to this end, `remoteIndex`
   * in packets from it.
   * @throws OtbError `noise-unfinished`
   */
  split(localIndex: number, remoteIndex: number): TunnelKeys {
    const pointer = this.#symbols.otb_noise_split(this.#pointer, remoteIndex);
    if (pointer === null) {
      throw new OtbError(
        "noise-unfinished",
        "Cannot split a handshake as both of its messages must have been exchanged, once",
      );
    }
    this.free();
    return new TunnelKeys(this.#symbols, pointer, localIndex, remoteIndex);
  }

  /** Wipes the keys and frees the memory; later calls return -EINVAL. */
  free(): void {
    this.#symbols.otb_noise_free(this.#pointer);
    this.#pointer = null;
  }

  [Symbol.dispose](): void {
    this.free();
  }
}

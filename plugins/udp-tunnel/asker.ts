// The box's side of the handshake (Noise IKpsk2): it asks, over all paths at once, and takes the first answer.
import type { Native, NoiseHandshake, TunnelKeys } from "../../core/native/ffi.ts";
import { MACS_BYTES, Prover } from "./cookies.ts";
import { decodeWelcome, encodeHello, type Welcome, WELCOME_BYTES } from "./greeting.ts";
import { INITIATION, PROLOGUE, RESPONSE } from "./wire.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** A question may be answered this long: satellites take their time, and a queue on top. */
const OPEN_US = 6_000_000;
const OPEN_MOST = 16;
/** Type and index; in answers a second index. */
const HEAD_BYTES = 8, ANSWER_HEAD_BYTES = 12;
const ROOM = 512;

/** What the box knows of itself and the peer: raw keys of 32 bytes. */
export interface AskerKeys {
  privateKey: Bytes;
  peerKey: Bytes;
  psk: Bytes;
}

/** The peer's answer. */
export interface Answer {
  index: number;
  keys: TunnelKeys;
  welcome: Welcome;
  /** When the question left. */
  askedUs: number;
}

export class Asker {
  readonly #open = new Map<number, { handshake: NoiseHandshake; askedUs: number }>();
  readonly #prover: Prover;

  constructor(private readonly native: Native, private readonly keys: AskerKeys) {
    this.#prover = new Prover(native, keys.peerKey);
  }

  /** A new question, to be sent over every path. @param sessionId as in `encodeHello` */
  ask(sessionId: Bytes, nowUs: number): Bytes {
    this.#forget(nowUs);
    const { native, keys: { privateKey, peerKey, psk } } = this;
    const handshake = native.noise({
      initiator: true,
      privateKey,
      remotePublicKey: peerKey,
      psk,
      prologue: PROLOGUE,
    });
    const noise = new Uint8Array(ROOM);
    const length = handshake.write(encodeHello(sessionId), noise);
    const index = native.randomUint32();
    const message = new Uint8Array(HEAD_BYTES + length + MACS_BYTES);
    message[0] = INITIATION;
    new DataView(message.buffer).setUint32(4, index, true);
    message.set(noise.subarray(0, length), HEAD_BYTES);
    this.#prover.prove(message, nowUs / 1_000);
    this.#open.set(index, { handshake, askedUs: nowUs });
    return message;
  }

  /** Takes an answer; undefined for what answers no open question. */
  answer(message: Bytes): Answer | undefined {
    if (message.length < ANSWER_HEAD_BYTES || message[0] !== RESPONSE) return undefined;
    const view = new DataView(message.buffer, message.byteOffset);
    const index = view.getUint32(8, true);
    const open = this.#open.get(index);
    if (!open) return undefined;
    const payload = new Uint8Array(ROOM);
    const length = open.handshake.read(message.slice(ANSWER_HEAD_BYTES), payload);
    if (length < WELCOME_BYTES) return undefined;
    const welcome = decodeWelcome(payload.slice(0, length));
    if (!welcome) return undefined;
    this.#open.delete(index);
    const keys = open.handshake.split(index, view.getUint32(4, true));
    // Older questions would only bring older keys.
    for (const [other, { handshake, askedUs }] of this.#open) {
      if (askedUs > open.askedUs) continue;
      handshake.free();
      this.#open.delete(other);
    }
    return { index, keys, welcome, askedUs: open.askedUs };
  }

  /** Takes a cookie: the peer is flooded, and wants to see that we are where we say. @returns false for what is none for us */
  cookie(message: Bytes, nowUs: number): boolean {
    return this.#prover.take(message, nowUs / 1_000);
  }

  close(): void {
    for (const { handshake } of this.#open.values()) handshake.free();
    this.#open.clear();
  }

  #forget(nowUs: number): void {
    for (const [index, { handshake, askedUs }] of this.#open) {
      if (this.#open.size < OPEN_MOST && nowUs - askedUs < OPEN_US) break;
      handshake.free();
      this.#open.delete(index);
    }
  }
}

// The box's side of the handshake (Noise IKpsk2): it asks, over all paths at once, and takes the first answer.
import type { Native, NoiseHandshake, TunnelKeys } from "../../../core/native/ffi.ts";
import { MACS_BYTES, Prover } from "./cookies.ts";
import {
  decodeWelcome,
  encodeFormerHello,
  encodeHello,
  FORMER_VERSION,
  PROOF_AT,
  type Welcome,
} from "./greeting.ts";
import { Identity } from "./identity.ts";
import { FORMER_PROLOGUE, INITIATION, PROLOGUE, RESPONSE } from "../wire.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** A question may be answered this long: satellites take their time, and a queue on top. */
const OPEN_US = 6_000_000;
const OPEN_MOST = 16;
/** Type and index; in answers a second index. */
const HEAD_BYTES = 8, ANSWER_HEAD_BYTES = 12;
const ROOM = 512;

/** What the box knows of itself and the peer: raw keys of 32 bytes. */
export interface InitiatorKeys {
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

/** What a question is made of: its first bytes, and the handshake that is about to write the rest. */
type Greet = (clear: Bytes, handshake: NoiseHandshake) => Bytes;

/** Questions and answers of one version of the protocol. */
class Exchange {
  readonly #open = new Map<number, { handshake: NoiseHandshake; askedUs: number }>();
  readonly #prover: Prover;

  constructor(
    private readonly native: Native,
    private readonly keys: InitiatorKeys,
    private readonly prologue: Bytes,
    private readonly version?: number,
  ) {
    this.#prover = new Prover(native, keys.peerKey);
  }

  ask(nowUs: number, greet: Greet): Bytes {
    this.#forget(nowUs);
    const { native, prologue, keys: { privateKey, peerKey, psk } } = this;
    const handshake = native.noise({ initiator: true, privateKey, remotePublicKey: peerKey, psk, prologue });
    const clear = new Uint8Array(HEAD_BYTES), noise = new Uint8Array(ROOM);
    const index = native.randomUint32();
    clear[0] = INITIATION;
    new DataView(clear.buffer).setUint32(4, index, true);
    const length = handshake.write(greet(clear, handshake), noise);
    const message = new Uint8Array(HEAD_BYTES + length + MACS_BYTES);
    message.set(clear);
    message.set(noise.subarray(0, length), HEAD_BYTES);
    this.#prover.prove(message, nowUs / 1_000);
    this.#open.set(index, { handshake, askedUs: nowUs });
    return message;
  }

  answer(message: Bytes): Answer | undefined {
    if (message.length < ANSWER_HEAD_BYTES || message[0] !== RESPONSE) return undefined;
    const view = new DataView(message.buffer, message.byteOffset);
    const index = view.getUint32(8, true);
    const open = this.#open.get(index);
    if (!open) return undefined;
    const payload = new Uint8Array(ROOM);
    const length = open.handshake.read(message.slice(ANSWER_HEAD_BYTES), payload);
    const welcome = length < 0 ? undefined : decodeWelcome(payload.slice(0, length), this.version);
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

export class Initiator {
  readonly identity: Identity;
  readonly #own: Bytes;
  readonly #exchange: Exchange;
  readonly #former: Exchange;

  constructor(private readonly native: Native, keys: InitiatorKeys) {
    this.identity = new Identity(native, keys.psk);
    this.#own = native.noisePublicKey(keys.privateKey);
    this.#exchange = new Exchange(native, keys, PROLOGUE);
    this.#former = new Exchange(native, keys, FORMER_PROLOGUE, FORMER_VERSION);
  }

  /** A new question, to be sent over every path. @param sessionId and @param counter as in `Hello` */
  ask(sessionId: Bytes, counter: bigint, nowUs: number): Bytes {
    const { identity } = this;
    return this.#exchange.ask(nowUs, (clear, handshake) => {
      const hello = encodeHello({ sessionId, counter, boxId: identity.id });
      hello.set(identity.proof(clear, handshake.ephemeralKey()!, this.#own, hello), PROOF_AT);
      return hello;
    });
  }

  /** Takes an answer; undefined for what answers no open question. */
  answer(message: Bytes): Answer | undefined {
    return this.#exchange.answer(message);
  }

  /** A question of the former protocol, only to see whether the peer speaks that; no session is taken from it. */
  askFormer(nowUs: number): Bytes {
    return this.#former.ask(nowUs, () => encodeFormerHello(this.native.random(new Uint8Array(8))));
  }

  /** Whether this answers such a question: only the peer itself can do that. */
  isFormerAnswer(message: Bytes): boolean {
    const answer = this.#former.answer(message);
    answer?.keys.free();
    return !!answer;
  }

  /** Takes a cookie: the peer wants to see that we are where we say. @returns false for what is none for us */
  cookie(message: Bytes, nowUs: number): boolean {
    return this.#exchange.cookie(message, nowUs) || this.#former.cookie(message, nowUs);
  }

  /** Forgets what is open. */
  close(): void {
    this.#exchange.close();
    this.#former.close();
  }
}

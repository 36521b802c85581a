// The peer's side of the handshake (Noise IKpsk2). It keeps nothing for who only asks: what an answer agrees on is in use once the box
// has proved that it got it.
import type { Native, TunnelKeys } from "../../core/native/ffi.ts";
import { Flood, MACS_BYTES, Verifier } from "./cookies.ts";
import { decodeHello, encodeWelcome, HELLO_BYTES, type Welcome } from "./greeting.ts";
import { INITIATION, PROLOGUE, RESPONSE } from "./wire.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const HEAD_BYTES = 8, ANSWER_HEAD_BYTES = 12, ROOM = 512;
/** Ephemeral key, sealed static key, sealed greeting. */
const LEAST_BYTES = HEAD_BYTES + 32 + 48 + HELLO_BYTES + 16 + MACS_BYTES;
/** Handshakes a second before cookies are asked for: each costs a tenth of a millisecond. */
const CALM_PER_SECOND = 100;
/** The same question comes over every path: each gets the same answer, so long. */
const REPEATED_US = 2_000_000, REPEATED_MOST = 64;

/** What a good question leads to. */
export interface Asked {
  /** The box's public key, base64. */
  box: string;
  sessionId: Bytes;
  index: number;
  keys: TunnelKeys;
}

/** What to send back, and what was agreed on; `asked` is absent where the answer is a cookie or a repetition. */
export interface Reply {
  message: Bytes;
  asked?: Asked;
}

export class Answerer {
  readonly #verifier: Verifier;
  readonly #flood = new Flood(CALM_PER_SECOND);
  /** By the ephemeral key in the question. */
  readonly #answered = new Map<string, { message: Bytes; atUs: number }>();
  /** Since the start. */
  readonly counts = { answered: 0, refused: 0, cookies: 0 };

  /** @param welcome what a box gets, by its public key; undefined: there is no room for it */
  constructor(
    private readonly native: Native,
    private readonly keys: { privateKey: Bytes; psk: Bytes },
    private readonly welcome: (box: string) => Welcome | undefined,
  ) {
    this.#verifier = new Verifier(native, native.noisePublicKey(keys.privateKey));
  }

  /** Takes a datagram; undefined: it gets no answer. */
  take(message: Bytes, remote: Bytes, nowUs: number): Reply | undefined {
    if (message.length < LEAST_BYTES || message.length > ROOM || message[0] !== INITIATION) return undefined;
    if (!this.#verifier.isKnowing(message)) return this.#refuse();
    const once = message.slice(HEAD_BYTES, HEAD_BYTES + 32).join();
    const answered = this.#answered.get(once);
    if (answered && nowUs - answered.atUs < REPEATED_US) return { message: answered.message };
    const nowMs = nowUs / 1_000;
    const senderIndex = new DataView(message.buffer, message.byteOffset).getUint32(4, true);
    if (this.#flood.isOn(nowMs) && !this.#verifier.isThere(message, remote, nowMs)) {
      this.counts.cookies++;
      return { message: this.#verifier.cookie(message, senderIndex, remote, nowMs) };
    }
    const { native, keys: { privateKey, psk } } = this;
    const handshake = native.noise({ initiator: false, privateKey, psk, prologue: PROLOGUE });
    const room = new Uint8Array(ROOM);
    const length = handshake.read(message.slice(HEAD_BYTES, message.length - MACS_BYTES), room);
    const sessionId = length < 0 ? undefined : decodeHello(room.slice(0, length));
    const boxKey = handshake.remoteKey();
    const box = boxKey && btoa(String.fromCharCode(...boxKey));
    const welcome = sessionId && box ? this.welcome(box) : undefined;
    if (!sessionId || !box || !welcome) {
      handshake.free();
      return this.#refuse();
    }
    const written = handshake.write(encodeWelcome(welcome), room);
    const index = native.randomUint32();
    const answer = new Uint8Array(ANSWER_HEAD_BYTES + written);
    const view = new DataView(answer.buffer);
    answer[0] = RESPONSE;
    view.setUint32(4, index, true);
    view.setUint32(8, senderIndex, true);
    answer.set(room.subarray(0, written), ANSWER_HEAD_BYTES);
    this.counts.answered++;
    this.#remember(once, answer, nowUs);
    return { message: answer, asked: { box, sessionId, index, keys: handshake.split(index, senderIndex) } };
  }

  #refuse(): undefined {
    this.counts.refused++;
    return undefined;
  }

  #remember(once: string, message: Bytes, atUs: number): void {
    this.#answered.set(once, { message, atUs });
    for (const [key, { atUs: thenUs }] of this.#answered) {
      if (this.#answered.size <= REPEATED_MOST && atUs - thenUs < REPEATED_US) break;
      this.#answered.delete(key);
    }
  }
}

// The peer's side of the handshake (Noise IKpsk2). Nothing is answered, kept or displaced before a question has shown that it comes
// from a box of this peer and is new; what an answer agrees on is in use once the box has proved that it got it.
import { ADDRESS_BYTES, type Native, type TunnelKeys } from "../../../core/native/ffi.ts";
import type { Boxes, KnownBox } from "./boxes.ts";
import { Flood, MACS_BYTES, Verifier } from "./cookies.ts";
import { decodeHello, encodeWelcome, HELLO_BYTES, isFormerHello, type Welcome } from "./greeting.ts";
import { FORMER_PROLOGUE, INITIATION, PROLOGUE, RESPONSE } from "../wire.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const HEAD_BYTES = 8, ANSWER_HEAD_BYTES = 12, ROOM = 512, EPHEMERAL_BYTES = 32;
/** Ephemeral key, sealed static key, sealed greeting. */
const BYTES = HEAD_BYTES + EPHEMERAL_BYTES + 48 + HELLO_BYTES + 16 + MACS_BYTES;
/** Handshakes a second before cookies are asked for: each costs a tenth of a millisecond. */
const CALM_PER_SECOND = 100;
/** In a flood, of one address that has shown itself; and looks a second at what an older box may have sent. */
const SHOWN_PER_SECOND = 10, SHOWN_MOST = 1_024, FORMER_PER_SECOND = 5;
/** The same question comes over every path, twice where NAT changed meanwhile: each copy gets the same answer, so long. */
const REPEATED_US = 2_000_000, COPIES = 16, REPEATED_MOST = 64;

/** Who asks, for what. */
export interface Asking {
  box: KnownBox;
  /** The machine's public key, base64. */
  staticKey: string;
  sessionId: Bytes;
}

/** What a good question leads to. */
export interface Asked extends Asking {
  welcome: Welcome;
  index: number;
  keys: TunnelKeys;
}

/** What to send back, and what was agreed on; `asked` is absent where the answer is a cookie or a repetition. */
export interface Reply {
  message: Bytes;
  asked?: Asked;
}

export class Responder {
  #verifier: Verifier;
  readonly #flood = new Flood(CALM_PER_SECOND);
  readonly #formerFlood = new Flood(FORMER_PER_SECOND);
  readonly #shown = new Map<string, Flood>();
  /** By the ephemeral key in the question. */
  readonly #answered = new Map<string, { message: Bytes; atUs: number; copies: number }>();
  /** Since the start; `former`: questions of boxes that are older than this peer. */
  readonly counts = { answered: 0, refused: 0, cookies: 0, former: 0 };

  /** @param welcome what a box gets; undefined: there is no room for it */
  constructor(
    private readonly native: Native,
    private readonly privateKey: Bytes,
    private readonly boxes: Boxes,
    private readonly welcome: (asking: Asking) => Welcome | undefined,
  ) {
    this.#verifier = new Verifier(native, native.noisePublicKey(privateKey));
  }

  /** Takes a datagram; undefined: it gets no answer. */
  take(message: Bytes, remote: Bytes, nowUs: number): Reply | undefined {
    if (message.length !== BYTES || message[0] !== INITIATION) return undefined;
    if (!this.#verifier.isKnowing(message)) return this.#refuse();
    const ephemeral = message.slice(HEAD_BYTES, HEAD_BYTES + EPHEMERAL_BYTES);
    const answered = this.#answered.get(ephemeral.join());
    if (answered) {
      const isCopy = nowUs - answered.atUs < REPEATED_US && ++answered.copies < COPIES;
      return isCopy ? { message: answered.message } : this.#refuse();
    }
    const nowMs = nowUs / 1_000;
    if (this.#flood.isOn(nowMs)) {
      if (!this.#verifier.isThere(message, remote, nowMs)) return this.#cookie(message, remote, nowMs);
      if (this.#isFlooding(remote, nowMs)) return this.#refuse();
    }
    using handshake = this.native.noise({
      initiator: false,
      privateKey: this.privateKey,
      prologue: PROLOGUE,
    });
    const room = new Uint8Array(ROOM);
    const length = handshake.read(message.slice(HEAD_BYTES, message.length - MACS_BYTES), room);
    if (length < 0) this.#lookForFormer(message, nowMs);
    const greeting = room.slice(0, Math.max(0, length));
    const hello = decodeHello(greeting), own = handshake.remoteKey();
    const box = hello && this.boxes.of(hello.boxId);
    if (!hello || !box || !own) return this.#refuse();
    const proof = box.identity.proof(message.slice(0, HEAD_BYTES), ephemeral, own, greeting);
    if (!this.native.equal(proof, hello.proof)) return this.#refuse();

    const staticKey = own.toBase64();
    const newest = box.newest.of(staticKey);
    if (newest === undefined && !this.#verifier.isThere(message, remote, nowMs)) {
      return this.#cookie(message, remote, nowMs);
    }
    if (newest !== undefined && hello.counter <= newest || box.flood.isOn(nowMs)) return this.#refuse();
    if (!box.newest.take(staticKey, hello.counter, nowMs)) return this.#refuse();
    const asking = { box, staticKey, sessionId: hello.sessionId };
    const welcome = this.welcome(asking);
    if (!welcome) return this.#refuse();

    handshake.setPsk(box.identity.psk);
    const written = handshake.write(encodeWelcome(welcome), room);
    const senderIndex = indexOf(message), index = this.native.randomUint32();
    const answer = new Uint8Array(ANSWER_HEAD_BYTES + written);
    const view = new DataView(answer.buffer);
    answer[0] = RESPONSE;
    view.setUint32(4, index, true);
    view.setUint32(8, senderIndex, true);
    answer.set(room.subarray(0, written), ANSWER_HEAD_BYTES);
    this.counts.answered++;
    this.#remember(ephemeral.join(), answer, nowUs);
    const keys = handshake.split(index, senderIndex);
    return { message: answer, asked: { ...asking, welcome, index, keys } };
  }

  /** This machine may be a copy of another: what that one may have seen or said counts no more. */
  forget(): void {
    this.#verifier = new Verifier(this.native, this.native.noisePublicKey(this.privateKey));
    this.#answered.clear();
    this.boxes.forget();
  }

  #refuse(): undefined {
    this.counts.refused++;
    return undefined;
  }

  #cookie(message: Bytes, remote: Bytes, nowMs: number): Reply {
    this.counts.cookies++;
    return { message: this.#verifier.cookie(message, indexOf(message), remote, nowMs) };
  }

  /** Whether an address that has shown itself asks too much. */
  #isFlooding(remote: Bytes, nowMs: number): boolean {
    // Without the port: it costs nothing to have many.
    const host = `${remote[0]}:${remote.slice(4, ADDRESS_BYTES).join()}`;
    const flood = this.#shown.get(host) ?? new Flood(SHOWN_PER_SECOND);
    this.#shown.delete(host);
    this.#shown.set(host, flood);
    for (const oldest of this.#shown.keys()) {
      if (this.#shown.size <= SHOWN_MOST) break;
      this.#shown.delete(oldest);
    }
    return flood.isOn(nowMs);
  }

  /** Counts questions of the former protocol, which nobody answers any more. */
  #lookForFormer(message: Bytes, nowMs: number): void {
    if (this.#formerFlood.isOn(nowMs)) return;
    const { privateKey } = this;
    using handshake = this.native.noise({ initiator: false, privateKey, prologue: FORMER_PROLOGUE });
    const room = new Uint8Array(ROOM);
    const length = handshake.read(message.slice(HEAD_BYTES, message.length - MACS_BYTES), room);
    if (length >= 0 && isFormerHello(room.slice(0, length))) this.counts.former++;
  }

  #remember(once: string, message: Bytes, atUs: number): void {
    this.#answered.set(once, { message, atUs, copies: 0 });
    for (const [key, { atUs: thenUs }] of this.#answered) {
      if (this.#answered.size <= REPEATED_MOST && atUs - thenUs < REPEATED_US) break;
      this.#answered.delete(key);
    }
  }
}

function indexOf(message: Bytes): number {
  return new DataView(message.buffer, message.byteOffset).getUint32(4, true);
}

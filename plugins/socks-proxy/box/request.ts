// The box's side of one connection to the peer: the request in one write, and the answer before the frames that come back.
import { type AeadSession, Errno, type Native, SALT_BYTES, TAG_BYTES } from "../../../core/native/ffi.ts";
import { arena } from "../relay/arena.ts";
import { randomBytes } from "../wire/random.ts";
import { type Codec, FrameCodec, scratch } from "../relay/relay.ts";
import { METHOD, openResponseHead, REQUEST_OVERHEAD, RESPONSE_HEAD, sealRequest } from "../wire/sip022.ts";
import type { Identity } from "../wire/sip023.ts";
import { WORDS_BYTES } from "../transport/striped/hello.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** First payload taken along with the request. */
export const FIRST_PAYLOAD = 32_768;
const NOTHING = new Uint8Array(0);

/** What is needed to ask a peer. */
export interface GreetSettings {
  native: Native;
  psk: Bytes;
  /** How this box says who it is (SIP023); absent: it joined by a code of before each box had a key (SIP022). */
  identity?: Identity;
  /** Seconds since the epoch. */
  now(): number;
  /** Connections in a row that the peer ended without an answer. */
  counters: { unanswered: number };
}

/** Seals a request in one write and starts the stream behind it; a negative errno when the connection did not take it. */
export function greet(
  settings: GreetSettings,
  fd: number,
  target: Bytes,
  payload: Bytes,
): ClientCodec | number {
  const { native, psk, identity, now } = settings;
  const salt = randomBytes(native, SALT_BYTES);
  const sealer = native.aead(METHOD, psk, salt);
  const { output } = scratch;
  const size = sealRequest(
    sealer,
    salt,
    identity?.header(salt) ?? NOTHING,
    target,
    payload,
    payload.length,
    now(),
    Math.floor(Math.random() * 65_536),
    request,
    output,
  );
  // A fresh connection has room for this; what it does not take is an error like any other.
  const sent = native.write(fd, output, 0, size);
  if (sent === size) return new ClientCodec(settings, sealer, salt);
  sealer.free();
  return sent < 0 ? sent : -Errno.ENOBUFS;
}

/** Where a request is put together; a striped stream's words stand before its first payload. */
const request: Bytes = new Uint8Array(REQUEST_OVERHEAD + FIRST_PAYLOAD + WORDS_BYTES);

/** Frames to the peer, and the response header before the frames that come back. */
class ClientCodec extends FrameCodec implements Codec {
  /** Bytes of a response header that is not complete. */
  #head: Bytes | undefined = NOTHING;
  #answered = false;
  #isEmpty = true;
  /** As the answer has it: a peer of another kind just ends. */
  saysEnd = false;

  /** Until the answer has shown that it is one to this request. */
  #salt: Bytes | undefined;

  constructor(private readonly settings: GreetSettings, sealer: AeadSession, salt: Bytes) {
    super(sealer, undefined);
    this.#salt = salt;
  }

  get isRefusal(): boolean {
    return this.#answered && this.#isEmpty && !this.hasEnded;
  }

  get hasEnded(): boolean {
    return this.saysEnd && this.opener!.metEmpty;
  }

  /** The request has said that this end says its end; who does not know that opens an empty frame and goes on. */
  finish(output: Bytes): number {
    return this.sealer.sealEmpty(output, 0);
  }

  override open(input: Bytes, length: number, output: Bytes): number {
    if (!this.#head) {
      this.#isEmpty = false;
      return super.open(input, length, output);
    }
    const bytes = this.#head.length === 0 ? input.subarray(0, length) : arena.join(this.#head, input, length);
    // Kept until it is whole; what is not yet is copied, as the buffer is everybody's.
    const wait = () => {
      this.#head = arena.copy(bytes, 0, bytes.length);
      return 0;
    };
    if (bytes.length < RESPONSE_HEAD) return wait();
    const { native, psk, now } = this.settings;
    if (!this.opener) {
      const opener = native.aead(METHOD, psk, bytes.subarray(0, SALT_BYTES));
      const answer = openResponseHead(opener, this.#salt!, bytes, now());
      if (typeof answer === "string") {
        opener.free();
        return -Errno.EBADMSG;
      }
      this.opener = opener;
      this.#salt = undefined;
      this.#first = answer.payload;
      this.saysEnd = answer.saysEnd;
    }
    const end = RESPONSE_HEAD + this.#first + TAG_BYTES;
    if (bytes.length < end) return wait();
    const opened = this.opener.openOne(bytes, RESPONSE_HEAD, this.#first + TAG_BYTES, output, 0);
    if (opened < 0) return opened;
    this.#answered = true;
    this.settings.counters.unanswered = 0;
    this.#head = undefined;
    this.#isEmpty = opened === 0 && bytes.length === end;
    const rest = this.opener.openFrames(bytes, end, bytes.length - end, output, opened);
    return rest < 0 ? rest : opened + rest;
  }

  #first = 0;

  /** Notes how it went with the peer: one that resets without an answer did not like us. */
  settle(broken: "plain" | "sealed" | undefined): void {
    if (!this.#answered && broken === "sealed") this.settings.counters.unanswered++;
  }
}

// For tests only: speaks to a peer as a box does, one connection at a time, word by word.
import {
  type AeadSession,
  encodeAddress,
  Errno,
  type Native,
  SALT_BYTES,
  TAG_BYTES,
} from "../../../core/native/ffi.ts";
import { METHOD, openResponseHead, REQUEST_OVERHEAD, RESPONSE_HEAD, sealRequest } from "../wire/sip022.ts";
import { Identity } from "../wire/sip023.ts";
import { until } from "./ends.ts";
import { HEAD_BYTES, writeHead } from "../transport/striped/frames.ts";
import { RESERVED_TARGET } from "../transport/striped/hello.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** As which box, and where. */
export interface Knocker {
  native: Native;
  port: number;
  key: Bytes;
  identityKey?: Bytes;
}

/** A local port as a target. */
export const targetOf = (port: number): Bytes => Uint8Array.of(1, 127, 0, 0, 1, port >> 8, port & 255);

/** A connection to the reserved name. */
export class Knock {
  #opener: AeadSession | undefined;
  #sealed = new Uint8Array(0);
  #plain = new Uint8Array(0);

  constructor(
    private readonly who: Knocker,
    private readonly fd: number,
    /** As it was sent. */
    readonly request: Bytes,
    private readonly sealer: AeadSession | undefined,
  ) {}

  /** The next head that the peer says, chunks left out; nothing when it says no more, or not within a time. */
  async hear(withinMs = 10_000): Promise<{ type: number } | undefined> {
    const { native } = this.who;
    const chunk = new Uint8Array(65_536);
    let isOver = false;
    const endMs = performance.now() + withinMs;
    await until(() => {
      const length = native.read(this.fd, chunk, 0, chunk.length);
      if (length > 0) this.#take(chunk.subarray(0, length));
      else if (length !== -Errno.EAGAIN || performance.now() > endMs) isOver = true;
      return isOver || this.#plain.length >= HEAD_BYTES;
    });
    if (this.#plain.length < HEAD_BYTES) return undefined;
    const type = this.#plain[0]!;
    this.#plain = this.#plain.slice(HEAD_BYTES);
    return { type };
  }

  /** Says a frame without bytes. */
  say(type: number, offset: number): void {
    const frame = new Uint8Array(HEAD_BYTES);
    writeHead(frame, 0, type, 0, 0, offset);
    this.sayBytes(frame);
  }

  /** Says whatever bytes. */
  sayBytes(bytes: Bytes): void {
    const out = new Uint8Array(bytes.length + 1_024);
    const length = this.sealer!.sealFrames(bytes, 0, bytes.length, out, 0);
    this.who.native.write(this.fd, out, 0, length);
  }

  #take(bytes: Bytes): void {
    const { native, key } = this.who;
    this.#sealed = Uint8Array.from([...this.#sealed, ...bytes]);
    const out = new Uint8Array(2 * 65_536);
    let length = 0;
    if (!this.#opener) {
      if (this.#sealed.length < RESPONSE_HEAD) return;
      const opener = native.aead(METHOD, key, this.#sealed.subarray(0, SALT_BYTES));
      const head = openResponseHead(
        opener,
        this.request.subarray(0, SALT_BYTES),
        this.#sealed,
        Math.floor(Date.now() / 1000),
      );
      if (typeof head === "string") throw new Error(head);
      length = opener.openOne(this.#sealed, RESPONSE_HEAD, head.payload + TAG_BYTES, out, 0);
      this.#sealed = this.#sealed.slice(RESPONSE_HEAD + head.payload + TAG_BYTES);
      this.#opener = opener;
    }
    length += this.#opener.openFrames(this.#sealed, 0, this.#sealed.length, out, length);
    this.#sealed = new Uint8Array(0);
    this.#plain = Uint8Array.from([...this.#plain, ...out.subarray(0, length)]);
  }

  [Symbol.dispose](): void {
    this.who.native.abort(this.fd);
    this.sealer?.free();
    this.#opener?.free();
  }
}

/** Connects and sends a request as it was recorded. */
export async function replay(who: Knocker, request: Bytes): Promise<Knock> {
  const fd = connected(who);
  await until(() => who.native.write(fd, request, 0, request.length) === request.length);
  return new Knock(who, fd, request, undefined);
}

function connected({ native, port }: Knocker): number {
  return native.connect(encodeAddress({ host: "127.0.0.1", port }), { resetOnClose: true }).fd;
}

/** Connects and says these words. */
export async function knock(who: Knocker, words: Bytes): Promise<Knock> {
  const { native, key, identityKey } = who;
  const fd = connected(who);
  const salt = crypto.getRandomValues(new Uint8Array(SALT_BYTES));
  const sealer = native.aead(METHOD, key, salt);
  const out = new Uint8Array(REQUEST_OVERHEAD + words.length);
  const identity = identityKey ? new Identity(native, identityKey, key).header(salt) : new Uint8Array(0);
  const length = sealRequest(
    ...[sealer, salt, identity, RESERVED_TARGET, words, words.length] as const,
    ...[Math.floor(Date.now() / 1000), 0, new Uint8Array(out.length), out] as const,
  );
  const request = out.slice(0, length);
  await until(() => native.write(fd, request, 0, length) === length);
  return new Knock(who, fd, request, sealer);
}

// SOCKS5 for LAN devices: CONNECT, without a login or with user and password (RFC 1928, RFC 1929).
import { timingSafeEqual } from "node:crypto";
import { Buffer } from "node:buffer";
import { ADDRESS_BYTES, decodeAddress, Errno, type Native, PollEvents } from "../../../core/native/ffi.ts";
import { targetLength } from "../wire/address.ts";
import { arena } from "../relay/arena.ts";
import type { Devices } from "./devices.ts";
import type { Counted, Reactor } from "../relay/reactor.ts";
import type { Outbound } from "./outbound.ts";
import { patience } from "../relay/vanished.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const VERSION = 5, NO_LOGIN = 0, PASSWORD = 2, NONE = 0xff, CONNECT = 1;
const SUCCEEDED = 0, COMMAND_UNKNOWN = 7, ADDRESS_UNKNOWN = 8;
const GREETING_MS = 10_000;
/** Greeting, login and request together are never longer. */
const MAX_BYTES = 1_024;

/** User and password to ask for. */
export interface Login {
  username: string;
  password: string;
}

/** Who asks with a login may name a link as the user, and is carried over that one alone; for this box's own plugins. */
export const LINK_LOGIN = "link";

/** Where a dialogue stands. */
export type Stage = "greeting" | "login" | "request";

/** What to do after looking at the bytes so far; `used` of them are done with. */
export type Step =
  | { kind: "more" }
  | { kind: "say"; used: number; reply: number[]; stage: Stage; link?: string }
  | { kind: "connect"; used: number; target: Bytes }
  | { kind: "refuse"; reply: number[] };

/** One step of the dialogue. Pure. */
export function step(stage: Stage, bytes: Bytes, login: Login | typeof LINK_LOGIN | undefined): Step {
  if (stage === "login") return checkLogin(bytes, login!);
  if (bytes.length < 2) {
    return bytes.length === 1 && bytes[0] !== VERSION ? { kind: "refuse", reply: [] } : { kind: "more" };
  }
  if (bytes[0] !== VERSION) return { kind: "refuse", reply: [] };
  if (stage === "greeting") {
    const end = 2 + bytes[1]!;
    if (bytes.length < end) return { kind: "more" };
    const offered = bytes.subarray(2, end);
    const isNamed = login === LINK_LOGIN ? offered.includes(PASSWORD) : login !== undefined;
    const wanted = isNamed ? PASSWORD : NO_LOGIN;
    if (!offered.includes(wanted)) return { kind: "refuse", reply: [VERSION, NONE] };
    return { kind: "say", used: end, reply: [VERSION, wanted], stage: isNamed ? "login" : "request" };
  }
  if (bytes.length < 4) return { kind: "more" };
  if (bytes[1] !== CONNECT) return { kind: "refuse", reply: answer(COMMAND_UNKNOWN) };
  const length = targetLength(bytes, 3, bytes.length);
  if (length < 0) return { kind: "refuse", reply: answer(ADDRESS_UNKNOWN) };
  if (length === 0) return { kind: "more" };
  return { kind: "connect", used: 3 + length, target: arena.copy(bytes, 3, 3 + length) };
}

function checkLogin(bytes: Bytes, login: Login | typeof LINK_LOGIN): Step {
  if (bytes.length < 2) return { kind: "more" };
  const nameEnd = 2 + bytes[1]!;
  if (bytes.length < nameEnd + 1) return { kind: "more" };
  const end = nameEnd + 1 + bytes[nameEnd]!;
  if (bytes.length < end) return { kind: "more" };
  const name = bytes.subarray(2, nameEnd);
  if (login === LINK_LOGIN) {
    const link = new TextDecoder().decode(name);
    return { kind: "say", used: end, reply: [1, 0], stage: "request", link };
  }
  const good = bytes[0] === 1 && same(name, login.username) &&
    same(bytes.subarray(nameEnd + 1, end), login.password);
  return good
    ? { kind: "say", used: end, reply: [1, 0], stage: "request" }
    : { kind: "refuse", reply: [1, 1] };
}

function same(bytes: Bytes, text: string): boolean {
  const wanted = Buffer.from(text);
  return bytes.length === wanted.length && timingSafeEqual(bytes, wanted);
}

function answer(code: number): number[] {
  return [VERSION, code, 0, 1, 0, 0, 0, 0, 0, 0];
}

const SUCCESS = Uint8Array.from(answer(SUCCEEDED));

/** Listens on the LAN and hands over connections whose target is known. */
export class Socks5 {
  /** Where it listens. */
  readonly port: number;
  readonly #fd: number;
  readonly #tag: number;
  readonly #dialogues = new Set<{ deadlineMs: number; drop(): void }>();
  readonly #sweep: ReturnType<typeof setInterval>;

  /** @throws OtbError `native-eaddrinuse` and others when it can't listen */
  constructor(
    private readonly native: Native,
    private readonly reactor: Reactor,
    private readonly outbound: Outbound,
    host: string,
    port: number,
    private readonly login: Login | typeof LINK_LOGIN | undefined,
    /** Who is counted; absent for this box's own plugins. */
    private readonly devices?: Devices,
  ) {
    this.#fd = native.listen({ host, port }, { resetOnClose: true, backlog: 4096 }).fd;
    native.localAddress(this.#fd, local);
    this.port = decodeAddress(local).port;
    // Inherited by what it accepts.
    native.setNoDelay(this.#fd, true);
    native.setKeepalive(this.#fd, patience);
    this.#tag = reactor.add(this.#fd, PollEvents.in, () => this.#accept());
    this.#sweep = setInterval(() => {
      for (const dialogue of this.#dialogues) {
        if (dialogue.deadlineMs > performance.now()) break;
        dialogue.drop();
      }
    }, 500);
  }

  close(): void {
    clearInterval(this.#sweep);
    for (const dialogue of this.#dialogues) dialogue.drop();
    this.reactor.forget(this.#tag);
    this.native.close(this.#fd);
  }

  #accept(): void {
    for (let count = 0; count < 64; count++) {
      const fd = this.native.accept(this.#fd, peer, null);
      if (fd < 0) return this.reactor.refused(this.#fd, this.#tag, fd);
      const counted = this.devices?.admit(peer);
      if (this.devices && !counted) this.native.abort(fd);
      else this.#converse(fd, counted);
    }
  }

  #converse(fd: number, counted: Counted | undefined): void {
    const { native, reactor } = this;
    let stage: Stage = "greeting";
    let link: string | undefined;
    /** What was said and is no whole step yet. */
    let kept: Bytes | undefined;
    const end = () => {
      reactor.forget(tag);
      this.#dialogues.delete(dialogue);
    };
    const dialogue = {
      deadlineMs: performance.now() + GREETING_MS,
      drop() {
        end();
        native.abort(fd);
      },
    };
    this.#dialogues.add(dialogue);
    const onReadable = () => {
      const length = native.read(fd, chunk, 0, chunk.length);
      if (length === -Errno.EAGAIN || length === -Errno.EINTR) return;
      if (length <= 0) return dialogue.drop();
      let bytes = kept ? arena.join(kept, chunk, length) : chunk.subarray(0, length);
      for (;;) {
        const next = step(stage, bytes, this.login);
        if (next.kind === "more") {
          kept = arena.copy(bytes, 0, bytes.length);
          return kept.length > MAX_BYTES ? dialogue.drop() : undefined;
        }
        if (next.kind === "refuse") {
          native.write(fd, Uint8Array.from(next.reply), 0, next.reply.length);
          end();
          return native.closeInOrder(fd);
        }
        if (next.kind === "connect") {
          this.#dialogues.delete(dialogue);
          // Success is said before the peer has dialled: a round trip less, and a failure is a reset as from a router.
          native.write(fd, SUCCESS, 0, SUCCESS.length);
          return this.outbound.open(
            { fd, tag, watched: PollEvents.in },
            next.target,
            bytes.subarray(next.used),
            link,
          );
        }
        reply.set(next.reply);
        native.write(fd, reply, 0, next.reply.length);
        stage = next.stage;
        link = next.link ?? link;
        bytes = bytes.subarray(next.used);
      }
    };
    const tag = reactor.add(fd, PollEvents.in, onReadable);
    if (counted) reactor.count(tag, counted);
    // Who speaks first has often done so by now.
    onReadable();
  }
}

const peer = new Uint8Array(ADDRESS_BYTES);
const local = new Uint8Array(ADDRESS_BYTES);
const chunk = new Uint8Array(MAX_BYTES);
const reply = new Uint8Array(16);

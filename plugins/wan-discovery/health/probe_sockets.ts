// Asks a question over exactly one link and waits for its answer: UDP, ICMP and TCP sockets bound to the link's device and
// address, each used once. The only part of health with sockets.
import {
  type Address,
  decodeAddress,
  encodeAddress,
  type Native,
  PollEvents,
  UDP_META_BYTES,
  WAKE_TAG,
} from "../../../core/native/ffi.ts";
import type { Bytes } from "../frames/addresses.ts";

/** How to leave by one link and no other. */
export interface Way {
  interface: string;
  /** The link's own address. */
  source: string;
  /** The firewall mark that leads there; 0 while nobody routes by marks. */
  mark: number;
}

/** An answer and how long it took. */
export interface Answer<T> {
  value: T;
  rttMs: number;
}

/** A TCP handshake that ended: the port open, or the address alive and the port closed. */
export interface Handshake {
  refused: boolean;
  /** Spoke Multipath TCP. */
  mptcp: boolean;
}

/** errno(3) */
const ECONNREFUSED = 111;
/** Events of one wait, and the longest sleep of the waiting thread while something is asked. */
const EVENTS = 16, WAIT_MS = 100;
/** No answer that matters is longer; what is, is cut. */
const REPLY_BYTES = 4096;

/** A socket that waits; `ready` gives the outcome once there is one. */
interface Pending {
  fd: number;
  ready(): unknown;
  finish(outcome: unknown): void;
}

/** Questions run side by side; the waiting thread is used only while one is under way. */
export class ProbeSockets {
  readonly #poll;
  readonly #events = new Uint32Array(2 * EVENTS);
  readonly #reply = new Uint8Array(REPLY_BYTES);
  readonly #meta = new Uint8Array(UDP_META_BYTES);
  readonly #pending = new Map<number, Pending>();
  #next = 1;
  #waiting: Promise<void> | undefined;

  constructor(private readonly native: Native) {
    this.#poll = native.poll();
  }

  /** One datagram out; the first reply of that address that `read` understands, or undefined when none came in time. */
  datagram<T>(
    way: Way,
    remote: Address,
    question: Bytes,
    read: (reply: Bytes) => T | undefined,
    withinMs: number,
    options: { icmp?: boolean; whole?: boolean } = {},
  ): Promise<Answer<T> | undefined> {
    const open = () => {
      const fd = this.native.udpOpen({ host: way.source, port: 0 }, {
        device: way.interface,
        mark: way.mark,
        ...options,
      });
      const sent = this.native.udpSend(fd, encodeAddress(remote), question, 0, question.length, 0);
      if (sent >= 0) return fd;
      this.native.close(fd);
    };
    return this.#ask(open, PollEvents.in, withinMs, (fd) => {
      while (this.native.udpReceive(fd, this.#reply, this.#meta) > 0) {
        const from = decodeAddress(this.#meta, 12);
        // Anybody can send to this port: only who was asked answers.
        if (from.host !== remote.host || !options.icmp && from.port !== remote.port) continue;
        const length = new DataView(this.#meta.buffer).getUint32(4, true);
        const value = read(this.#reply.slice(0, length));
        if (value !== undefined) return value;
      }
    });
  }

  /** A TCP handshake, ended at once. */
  handshake(
    way: Way,
    remote: Address,
    withinMs: number,
    mptcp = false,
  ): Promise<Answer<Handshake> | undefined> {
    return this.#ask(() => this.#connect(way, remote, mptcp), PollEvents.out, withinMs, (fd) => {
      const result = this.native.connectResult(fd);
      const refused = result === -ECONNREFUSED;
      return result === 0 || refused ? { refused, mptcp: mptcp && this.native.isMptcp(fd) } : null;
    });
  }

  /** Says something over TCP and returns what came back until the other end closed or enough came. */
  conversation(
    way: Way,
    remote: Address,
    said: Bytes,
    withinMs: number,
    mostBytes: number,
  ): Promise<Answer<Bytes> | undefined> {
    const heard = new Uint8Array(Math.min(mostBytes, 65_536));
    let length = -1;
    return this.#ask(() => this.#connect(way, remote, false), PollEvents.out, withinMs, (fd, tag) => {
      if (length < 0) {
        if (this.native.connectResult(fd) !== 0 || this.native.write(fd, said, 0, said.length) < 0) {
          return null;
        }
        length = 0;
        this.#poll.set(fd, PollEvents.in, tag);
        return undefined;
      }
      const count = this.native.read(fd, heard, length, heard.length - length);
      if (count > 0) length += count;
      return count <= 0 || length === heard.length ? heard.slice(0, length) : undefined;
    });
  }

  async close(): Promise<void> {
    for (const { finish } of [...this.#pending.values()]) finish(undefined);
    this.#poll.wake();
    await this.#waiting;
    this.#poll.close();
  }

  #connect({ interface: device, source, mark }: Way, remote: Address, mptcp: boolean): number {
    return this.native.connect(remote, { source: { host: source, port: 0 }, device, mark, mptcp }).fd;
  }

  /** `ready` answers undefined while there is none yet, and null when there will be none. */
  #ask<T>(
    open: () => number | undefined,
    events: number,
    withinMs: number,
    ready: (fd: number, tag: number) => T | null | undefined,
  ): Promise<Answer<T> | undefined> {
    return new Promise((resolve) => {
      let fd: number | undefined;
      try {
        fd = open();
      } catch {
        // No route, no such address any more: nothing can be asked this way.
      }
      if (fd === undefined) return resolve(undefined);
      const tag = this.#next++ % 0x7fff_ffff;
      const startedMs = performance.now();
      const socket = fd;
      const finish = (outcome: unknown) => {
        if (!this.#pending.delete(tag)) return;
        clearTimeout(timer);
        this.native.abort(socket);
        resolve(
          outcome === null || outcome === undefined
            ? undefined
            : { value: outcome as T, rttMs: performance.now() - startedMs },
        );
      };
      const timer = setTimeout(() => finish(undefined), withinMs);
      this.#pending.set(tag, { fd, ready: () => ready(socket, tag), finish });
      this.#poll.set(fd, events, tag);
      if (this.#waiting) this.#poll.wake();
      this.#waiting ??= this.#wait();
    });
  }

  async #wait(): Promise<void> {
    while (this.#pending.size > 0) {
      const count = await this.#poll.waitAsync(this.#events, WAIT_MS);
      for (let index = 0; index < count; index++) {
        const tag = this.#events[2 * index]!;
        const pending = tag === WAKE_TAG ? undefined : this.#pending.get(tag);
        const outcome = pending?.ready();
        if (outcome !== undefined) pending!.finish(outcome);
      }
    }
    this.#waiting = undefined;
  }
}

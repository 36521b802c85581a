// Asks whether the peer answers over one link: a TCP handshake from that link's address, ended at once.
import { type Address, type Native, PollEvents, WAKE_TAG } from "../../core/native/ffi.ts";

/** What a probe met: the port open, or the address alive and the port closed; `rttMs` in milliseconds. */
export interface Answered {
  rttMs: number;
  refused: boolean;
}

/** errno(3) */
const ECONNREFUSED = 111;

interface Pending {
  fd: number;
  startedMs: number;
  timer: ReturnType<typeof setTimeout>;
  resolve(answered: Answered | undefined): void;
}

/** Probes run side by side; the waiting thread is used only while one is under way. */
export class Prober {
  readonly #native: Native;
  readonly #poll;
  readonly #events = new Uint32Array(2 * 16);
  readonly #pending = new Map<number, Pending>();
  #next = 1;
  #waiting: Promise<void> | undefined;

  constructor(native: Native) {
    this.#native = native;
    this.#poll = native.poll();
  }

  /** What answered, undefined when nothing did in time; a refusal proves the path as well. */
  probe(remote: Address, source: string, withinMs: number): Promise<Answered | undefined> {
    return new Promise((resolve) => {
      let fd: number;
      try {
        fd = this.#native.connect(remote, { source: { host: source, port: 0 } }).fd;
      } catch {
        return resolve(undefined);
      }
      const tag = this.#next++ % 0x7fff_ffff;
      const timer = setTimeout(() => this.#finish(tag, undefined), withinMs);
      this.#pending.set(tag, { fd, startedMs: performance.now(), timer, resolve });
      this.#poll.set(fd, PollEvents.out, tag);
      if (this.#waiting) this.#poll.wake();
      this.#waiting ??= this.#wait();
    });
  }

  async close(): Promise<void> {
    for (const tag of [...this.#pending.keys()]) this.#finish(tag, undefined);
    this.#poll.wake();
    await this.#waiting;
    this.#poll.close();
  }

  async #wait(): Promise<void> {
    while (this.#pending.size > 0) {
      const count = await this.#poll.waitAsync(this.#events, 100);
      for (let index = 0; index < count; index++) {
        const tag = this.#events[2 * index]!;
        const pending = tag === WAKE_TAG ? undefined : this.#pending.get(tag);
        if (!pending) continue;
        const result = this.#native.connectResult(pending.fd);
        const refused = result === -ECONNREFUSED;
        const rttMs = performance.now() - pending.startedMs;
        this.#finish(tag, result === 0 || refused ? { rttMs, refused } : undefined);
      }
    }
    this.#waiting = undefined;
  }

  #finish(tag: number, answered: Answered | undefined): void {
    const pending = this.#pending.get(tag);
    if (!pending) return;
    this.#pending.delete(tag);
    clearTimeout(pending.timer);
    this.#native.abort(pending.fd);
    pending.resolve(answered);
  }
}

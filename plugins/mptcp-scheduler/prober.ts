// Asks whether the peer answers over one link: a TCP handshake from that link's address, ended at once.
import { type Address, type Native, PollEvents, WAKE_TAG } from "../../core/native/ffi.ts";

interface Pending {
  fd: number;
  startedMs: number;
  timer: ReturnType<typeof setTimeout>;
  resolve(rttMs: number | undefined): void;
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

  /** The round trip in milliseconds, undefined when nothing answered in time; a refusal is an answer too. */
  probe(remote: Address, source: string, withinMs: number): Promise<number | undefined> {
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
        const answered = result === 0 || result === -111;
        this.#finish(tag, answered ? performance.now() - pending.startedMs : undefined);
      }
    }
    this.#waiting = undefined;
  }

  #finish(tag: number, rttMs: number | undefined): void {
    const pending = this.#pending.get(tag);
    if (!pending) return;
    this.#pending.delete(tag);
    clearTimeout(pending.timer);
    this.#native.abort(pending.fd);
    pending.resolve(rttMs);
  }
}

// Waiting for sockets (epoll(7)).
import { checked } from "./errors.ts";
import type { Symbols } from "./symbols.ts";

/** Event bits of epoll(7). */
export const PollEvents = {
  in: 0x1,
  out: 0x4,
  error: 0x8,
  hangUp: 0x10,
  readHangUp: 0x2000,
  oneShot: 0x4000_0000,
  edge: 0x8000_0000,
} as const;

/** The tag under which `wait` reports a `wake`; do not use it for a descriptor. */
export const WAKE_TAG = 0xffff_ffff;

/** Events one `wait` returns at most. */
export const MAX_EVENTS = 256;

/**
 * An epoll set with a wake-up.
 *
 * ```ts
 * const poll = native.poll();
 * const events = new Uint32Array(2 * 64);
 * poll.set(fd, PollEvents.in, 7);
 * const count = poll.wait(events, 0) || await poll.waitAsync(events, 1000);
 * // events[0] === 7, events[1] & PollEvents.in
 * ```
 */
export class Poll {
  #symbols: Symbols;
  #wakeFd: number;
  // The native thread writes into it until the promise settles, so it must not be collected.
  #lent: Uint32Array<ArrayBuffer> | undefined;
  readonly fd: number;

  constructor(symbols: Symbols) {
    this.#symbols = symbols;
    const wake = new Int32Array(1);
    this.fd = checked(symbols.otb_poll_create(wake), "create an epoll set");
    this.#wakeFd = wake[0]!;
  }

  /** Adds a new descriptor with its events (PollEvents) and tag; 0 or a negative errno (-EEXIST when it is there). */
  add(fd: number, events: number, tag: number): number {
    return this.#symbols.otb_poll_add(this.fd, fd, events >>> 0, tag);
  }

  /** Changes the events and tag of a descriptor, or adds it; 0 or a negative errno. */
  set(fd: number, events: number, tag: number): number {
    return this.#symbols.otb_poll_set(this.fd, fd, events >>> 0, tag);
  }

  /** Takes a descriptor out; 0 or a negative errno. Closing the descriptor does it too. */
  remove(fd: number): number {
    return this.#symbols.otb_poll_remove(this.fd, fd);
  }

  /**
   * Fills `out` with [tag, events] pairs, at most MAX_EVENTS; blocks the thread for up to `timeoutMs`. Before it sleeps it
   * gives way to others `yields` times (sched_yield(2)) and looks again, which is cheaper than to be woken.
   */
  wait(out: Uint32Array<ArrayBuffer>, timeoutMs: number, yields = 0): number {
    return this.#symbols.otb_poll_wait(this.fd, out, out.length >>> 1, timeoutMs, yields);
  }

  /**
   * As `wait`, on another thread, costs 6 to 10 us: for an idle loop. One at a time; `out` is lent until it settles.
   * Give a finite timeout or `wake` before the end, as a waiting thread keeps the process alive.
   */
  async waitAsync(out: Uint32Array<ArrayBuffer>, timeoutMs: number): Promise<number> {
    this.#lent = out;
    try {
      return await this.#symbols.otb_poll_wait_async(this.fd, out, out.length >>> 1, timeoutMs, 0);
    } finally {
      this.#lent = undefined;
    }
  }

  /** True while a `waitAsync` is under way. */
  get waiting(): boolean {
    return this.#lent !== undefined;
  }

  /** Makes the current or next `wait` return with WAKE_TAG, from any thread. */
  wake(): void {
    this.#symbols.otb_poll_wake(this.#wakeFd);
  }

  /** Closes the set; only when no `waitAsync` is under way. Descriptors in it stay open. */
  close(): void {
    this.#symbols.otb_close(this.#wakeFd, 0);
    this.#symbols.otb_close(this.fd, 0);
  }
}

// The event loop of the data plane: epoll over FFI on the plugin's own thread, sharing it fairly with Deno's loop.
import { setImmediate } from "node:timers";
import { Errno, type Native, type Poll, PollEvents, WAKE_TAG } from "../../../core/native/ffi.ts";
import { patience } from "./vanished.ts";

/** Deno's own loop (settings, status, timers) runs at least this often while sockets are busy. */
const YIELD_EVERY_MS = 5;
/** After work the thread waits this long by itself: cheaper than a hand-over to the waiting thread. */
const LINGER_MS = 1;
/** And before it sleeps it looks this often again: some 10 us at most, when nobody else wants the processor. */
const LINGER_YIELDS = 32;
const IDLE_WAIT_MS = 1_000;
/** How often nudged descriptors, and a share of those that are looked after, are looked at without an event. */
const NUDGE_MS = 1_000;
const EVENTS = 256;
/** How long a listener rests, and the answers after which it does: ENFILE is the whole machine's. */
const REST_MS = 100;
const EXHAUSTED = new Set<number>([Errno.EMFILE, 23, Errno.ENOMEM, Errno.ENOBUFS]);

/** Takes the epoll(7) events of one descriptor. */
export type OnEvents = (events: number) => void;

/** Who wants to know when a descriptor is gone. */
export interface Counted {
  left(): void;
}

/** A registered descriptor; tags are never reused within one batch of events, so a stale event reaches nobody. */
export class Reactor {
  readonly #poll: Poll;
  readonly #events = new Uint32Array(2 * EVENTS);
  readonly #handlers: (OnEvents | undefined)[] = [];
  readonly #nudged = new Set<number>();
  /** By tag. */
  readonly #looks = new Map<number, () => void>();
  #round = this.#looks.values();
  /** By tag; sparse. */
  readonly #counted: (Counted | undefined)[] = [];
  #free: number[] = [];
  #freed: number[] = [];
  #stopped = false;

  constructor(native: Native) {
    this.#poll = native.poll();
  }

  /** Watches a descriptor that is not watched yet; returns its tag. */
  add(fd: number, events: number, onEvents: OnEvents): number {
    const tag = this.#free.pop() ?? this.#handlers.length;
    this.#handlers[tag] = onEvents;
    this.#poll.add(fd, events, tag);
    return tag;
  }

  /** Gives the events of a tag to another handler; what is watched stays. */
  handle(tag: number, onEvents: OnEvents): void {
    this.#handlers[tag] = onEvents;
  }

  /** Changes what is watched; no events at all takes the descriptor out, so that a hang-up does not spin. */
  watch(fd: number, tag: number, events: number): void {
    if (events === 0) this.#poll.remove(fd);
    else this.#poll.set(fd, events, tag);
  }

  /**
   * A listener answered so to `accept`. Where this process may have no more descriptors or memory, who waits keeps waiting, and the
   * listener reads as ready for ever: it is left alone for a moment.
   */
  refused(fd: number, tag: number, answer: number): void {
    if (!EXHAUSTED.has(-answer)) return;
    const handler = this.#handlers[tag];
    this.#poll.remove(fd);
    setTimeout(() => {
      // Nobody else has the tag meanwhile.
      if (handler && this.#handlers[tag] === handler && !this.#stopped) {
        this.#poll.set(fd, PollEvents.in, tag);
      }
    }, REST_MS);
  }

  /**
   * Tells its handler once a second that there may be something to read. Linux 6.18 can keep the next bytes of an MPTCP
   * connection in a subflow and wake nobody, after links came and went (tests/bench/failover_flaps.ts); a read fetches them.
   */
  nudge(tag: number): void {
    this.#nudged.add(tag);
  }

  /** Calls back every quarter of a minute, event or not, until the tag is forgotten. */
  lookAfter(tag: number, look: () => void): void {
    this.#looks.set(tag, look);
  }

  /** Tells when the tag is forgotten, instead of who was told before. */
  count(tag: number, counted: Counted | undefined): void {
    this.#counted[tag] = counted;
  }

  /** Forgets a descriptor that is about to be closed. */
  forget(tag: number): void {
    this.#nudged.delete(tag);
    this.#looks.delete(tag);
    this.#handlers[tag] = undefined;
    this.#counted[tag]?.left();
    this.#counted[tag] = undefined;
    this.#freed.push(tag);
  }

  /** Runs until `stop`. */
  async run(): Promise<void> {
    let yieldedMs = performance.now();
    let nudgedMs = yieldedMs;
    let busy = false;
    while (!this.#stopped) {
      let count: number = busy
        ? this.#poll.wait(this.#events, LINGER_MS, LINGER_YIELDS)
        : this.#poll.wait(this.#events, 0);
      busy = count > 0;
      if (!busy) {
        count = await this.#poll.waitAsync(this.#events, IDLE_WAIT_MS);
        yieldedMs = performance.now();
      }
      this.#dispatch(count);
      if (performance.now() - nudgedMs > NUDGE_MS) {
        for (const tag of this.#nudged) this.#handlers[tag]?.(PollEvents.in);
        this.#lookOn();
        nudgedMs = performance.now();
      }
      if (performance.now() - yieldedMs > YIELD_EVERY_MS) {
        await new Promise<void>((resolve) => setImmediate(resolve));
        yieldedMs = performance.now();
      }
    }
    this.#poll.close();
  }

  /** Ends `run` soon. */
  stop(): void {
    this.#stopped = true;
    this.#poll.wake();
  }

  /** Looks at the next few: however many there are, each moment has little to do. */
  #lookOn(): void {
    for (let count = Math.ceil(this.#looks.size / patience.roundSeconds); count > 0; count--) {
      const { done, value: look } = this.#round.next();
      if (done) this.#round = this.#looks.values();
      else look();
    }
  }

  #dispatch(count: number): void {
    for (let index = 0; index < count; index++) {
      const tag = this.#events[2 * index]!;
      if (tag === WAKE_TAG) continue;
      this.#handlers[tag]?.(this.#events[2 * index + 1]!);
    }
    if (this.#freed.length > 0) {
      this.#free.push(...this.#freed);
      this.#freed = [];
    }
  }
}

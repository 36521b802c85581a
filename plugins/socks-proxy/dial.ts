// Connects the peer to what boxes want: names are looked up here, and every answer is checked.
import { lookup } from "node:dns/promises";
import { encodeAddress, type Native, PollEvents } from "../../core/native/ffi.ts";
import type { Target } from "./address.ts";
import type { Box } from "./boxes.ts";
import type { Reactor } from "./reactor.ts";
import type { Registered } from "./relay.ts";
import type { Targets } from "./targets.ts";
import { patience } from "./vanished.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const DIAL_MS = 10_000;
/** Names that are looked up at once for one box: each takes a thread for as long as the resolver wants. */
const MOST_LOOKUPS = 64;
/** Names that are nobody's (RFC 6761 section 6.4): no resolver is asked for them. */
const NOBODY = /(^|\.)invalid\.?$/i;

/** What is needed to dial. */
export interface DialSettings {
  native: Native;
  reactor: Reactor;
  targets: Targets;
}

/** Targets that are being dialled. */
export class Dials {
  readonly #pending = new Set<Dial>();

  constructor(private readonly settings: DialSettings) {}

  get size(): number {
    return this.#pending.size;
  }

  /**
   * Connects to a target, if it may be.
   * @param isOver nobody wants it any more: no further address is tried
   * @param done gets the connection, its caller's from then on, or undefined where none of the addresses took it
   */
  open(
    box: Box,
    target: Target,
    isOver: () => boolean,
    done: (plain: Registered | undefined) => void,
  ): void {
    const { targets } = this.settings;
    const tryEach = (records: Bytes[]) => {
      const index = records.findIndex((record) => target.port !== 0 && targets.allows(record));
      if (index < 0 || isOver()) return done(undefined);
      const rest = records.slice(index + 1);
      this.#pending.add(
        new Dial(
          this.settings,
          this.#pending,
          records[index]!,
          (plain) => plain ? done(plain) : tryEach(rest),
        ),
      );
    };
    if (!target.named) return tryEach([target.record]);
    const { host, port } = target;
    if (NOBODY.test(host) || box.lookups >= MOST_LOOKUPS) return done(undefined);
    box.lookups++;
    lookup(host, { all: true })
      .finally(() => box.lookups--)
      .then((found) => found.map(({ address }) => encodeAddress({ host: address, port })))
      .then(tryEach, () => done(undefined));
  }

  /** Gives up what takes too long. */
  expire(nowMs: number): void {
    for (const dial of this.#pending) {
      // Insertion order is order of deadlines.
      if (dial.deadlineMs > nowMs) break;
      dial.fail();
    }
  }
}

/** One connection to a target that is being made; calls back, as promises would wait for Deno's own loop. */
class Dial {
  readonly deadlineMs = performance.now() + DIAL_MS;
  #fd = -1;
  #tag = -1;

  constructor(
    private readonly settings: DialSettings,
    private readonly all: Set<Dial>,
    remote: Bytes,
    private readonly done: (plain: Registered | undefined) => void,
  ) {
    const { native, reactor } = settings;
    try {
      this.#fd = native.connect(remote, { resetOnClose: true }).fd;
    } catch {
      // Told like a refusal, once this dial is in its place.
      queueMicrotask(() => this.fail());
      return;
    }
    native.setNoDelay(this.#fd, true);
    native.setKeepalive(this.#fd, patience);
    this.#tag = reactor.add(this.#fd, PollEvents.out, (events) => {
      if (events & ~PollEvents.out && native.connectResult(this.#fd) < 0) return this.fail();
      all.delete(this);
      this.done({ fd: this.#fd, tag: this.#tag, watched: PollEvents.out });
    });
  }

  fail(): void {
    const { native, reactor } = this.settings;
    this.all.delete(this);
    if (this.#fd >= 0) {
      reactor.forget(this.#tag);
      native.abort(this.#fd);
    }
    this.done(undefined);
  }
}

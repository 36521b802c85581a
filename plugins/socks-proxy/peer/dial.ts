// Connects the peer to what boxes want: names are looked up here, and every answer is checked.
import { lookup } from "node:dns/promises";
import { ADDRESS_BYTES, encodeAddress, type Native, PollEvents } from "../../../core/native/ffi.ts";
import type { Target } from "../wire/address.ts";
import type { Box } from "./boxes.ts";
import type { Reactor } from "../relay/reactor.ts";
import type { Registered } from "../relay/relay.ts";
import { serverName } from "../wire/server_name.ts";
import type { Targets } from "./targets.ts";
import { patience } from "../relay/vanished.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** How long a target has to answer; and after how long others of its name are tried beside it. */
const DIAL_MS = 10_000, SILENT_MS = 1_500;
/** Names that are looked up at once for one box: each takes a thread for as long as the resolver wants. */
const MOST_LOOKUPS = 64;
/** Names that are nobody's (RFC 6761 section 6.4): no resolver is asked for them. */
const NOBODY = /(^|\.)invalid\.?$/i;

/** What is needed to dial. */
export interface DialSettings {
  native: Native;
  reactor: Reactor;
  targets: Targets;
  /** Addresses of a name, in the order to try them; the machine's resolver where nothing is given. */
  lookup?(host: string): Promise<string[]>;
}

/** Gets a connection, its own from then on, or undefined where there is none. */
type Done = (plain: Registered | undefined) => void;

/** Targets that are being dialled. */
export class Dials {
  readonly #pending = new Set<Dial>();

  constructor(private readonly settings: DialSettings) {}

  get size(): number {
    return this.#pending.size;
  }

  /**
   * Connects to a target, if it may be. Where an address refuses or is silent the client can try no other any more, as it was answered
   * already: the other addresses of the name that it says first are tried for it.
   * @param first what it has said
   * @param isOver nobody wants it any more: no further address is tried
   * @param done gets the connection, its caller's from then on, or undefined where none of the addresses took it
   */
  open(box: Box, target: Target, first: Bytes, isOver: () => boolean, done: Done): void {
    const { port } = target;
    if (target.named) {
      return this.#lookUp(box, target.host, port, (records) => this.#tryEach(records, isOver, done));
    }
    const { record } = target;
    if (port === 0 || !this.settings.targets.allows(record)) return done(undefined);
    let isDone = false, under = 1, hasOthers = false;
    const ended: Done = (plain) => {
      under--;
      if (plain && isDone) this.#drop(plain);
      else if (plain || under === 0 && !isDone) {
        isDone = true;
        done(plain);
      }
    };
    const tryOthers = () => {
      if (hasOthers || isDone || isOver()) return;
      hasOthers = true;
      const said = serverName(first);
      if (typeof said === "string") return;
      under++;
      this.#lookUp(box, said.name, port, (records) => {
        const index = records.findIndex((one) => same(one, record));
        // A name that is not the target's says nothing of where its client wants to go.
        const others = index < 0 ? [] : records.filter((one) => !same(one, record));
        this.#tryEach(others, () => isDone || isOver(), ended);
      });
    };
    this.#dial(record, tryOthers, (plain) => {
      if (!plain) tryOthers();
      ended(plain);
    });
  }

  /** Gives up what takes too long, and tries others beside what is silent. */
  expire(nowMs: number): void {
    for (const dial of this.#pending) {
      // Insertion order is order of deadlines.
      if (dial.silentMs > nowMs) break;
      if (dial.deadlineMs > nowMs) dial.onSilent?.();
      else dial.fail();
    }
  }

  /** One after the other, as far as they may be dialled. */
  #tryEach(records: Bytes[], isOver: () => boolean, done: Done): void {
    const index = records.findIndex((record) => this.settings.targets.allows(record));
    if (index < 0 || isOver()) return done(undefined);
    this.#dial(records[index]!, undefined, (plain) => {
      if (plain) done(plain);
      else this.#tryEach(records.slice(index + 1), isOver, done);
    });
  }

  #dial(record: Bytes, onSilent: (() => void) | undefined, done: Done): void {
    this.#pending.add(new Dial(this.settings, this.#pending, record, onSilent, done));
  }

  /** @param done gets none where there are none, or too many are asked for */
  #lookUp(box: Box, host: string, port: number, done: (records: Bytes[]) => void): void {
    if (port === 0 || NOBODY.test(host) || box.lookups >= MOST_LOOKUPS) return done([]);
    box.lookups++;
    (this.settings.lookup ?? addressesOf)(host)
      .finally(() => box.lookups--)
      .then((found) => found.map((address) => encodeAddress({ host: address, port })))
      .then(done, () => done([]));
  }

  #drop({ fd, tag }: Registered): void {
    this.settings.reactor.forget(tag);
    this.settings.native.abort(fd);
  }
}

async function addressesOf(host: string): Promise<string[]> {
  return (await lookup(host, { all: true })).map(({ address }) => address);
}

/** Whether two records have one address. */
function same(one: Bytes, other: Bytes): boolean {
  return one[0] === other[0] && one.subarray(4, ADDRESS_BYTES).every((byte, at) => byte === other[4 + at]);
}

/** One connection to a target that is being made; calls back, as promises would wait for Deno's own loop. */
class Dial {
  readonly silentMs = performance.now() + SILENT_MS;
  readonly deadlineMs = this.silentMs + DIAL_MS - SILENT_MS;
  #fd = -1;
  #tag = -1;

  constructor(
    private readonly settings: DialSettings,
    private readonly all: Set<Dial>,
    remote: Bytes,
    /** It has not answered for a while. */
    readonly onSilent: (() => void) | undefined,
    private readonly done: Done,
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

// What the striped streams of one box use together; on a peer those of all boxes share the memory.
import { ADDRESS_BYTES, decodeAddress, type Native } from "../../../../core/native/ffi.ts";
import type { Reactor } from "../../relay/reactor.ts";
import type { Counters } from "../../relay/relay.ts";
import { Guard, type HeldLink, type Totals } from "./guard.ts";
import { type CongestionWish, Line } from "./line.ts";
import { Blocks, Held } from "./memory.ts";
import { type Ticked, Ticker } from "./ticker.ts";

/** A stream whose connections have all broken is kept so long: the box makes others as soon as a link is there. */
export const BARE_MS = 120_000;
/** More links are not remembered. */
const MAX_LINES = 256;
const address = new Uint8Array(ADDRESS_BYTES);

/** A stream. */
export interface Hosted extends Ticked {
  /** When there was last a connection, if there is none. */
  readonly bareSinceMs: number | undefined;
  abort(): void;
  stop(): void;
}

/** The memory of all streams of one process. */
export class Memory {
  readonly blocks = new Blocks();
  readonly held = new Held();
}

export class Host {
  readonly blocks: Blocks;
  readonly held: Held;
  readonly streams = new Set<Hosted>();
  readonly totals: Totals = { sent: 0, confirmed: 0, hungryMs: 0 };
  readonly #lines = new Map<string, Line>();
  readonly #guard = new Guard(() => [...this.#lines.values()].map(({ account }) => account));
  readonly #ticker = new Ticker((nowMs) => this.#guard.look(nowMs, this.totals));

  /**
   * @param farewellMs once all is said, the other end has so long to say its last
   * @param congestion what a person wants
   */
  constructor(
    readonly native: Native,
    readonly reactor: Reactor,
    readonly counters: Counters,
    readonly farewellMs: number,
    private readonly congestion: (() => CongestionWish) | undefined,
    memory = new Memory(),
  ) {
    this.blocks = memory.blocks;
    this.held = new Held(memory.held);
  }

  /** What is known of the link of a connection: by its name on the box, by the address that it comes from on the peer. */
  line(fd: number, link: string | undefined): Line {
    let name = link;
    if (name === undefined) {
      this.native.remoteAddress(fd, address);
      name = decodeAddress(address).host;
    }
    const line = this.#lines.get(name) ?? new Line(this.congestion);
    // The longest unseen come first.
    this.#lines.delete(name);
    this.#lines.set(name, line);
    if (this.#lines.size > MAX_LINES) this.#lines.delete(this.#lines.keys().next().value!);
    return line;
  }

  /** Links that get nothing new while others carry, and why. */
  get heldLinks(): HeldLink[] {
    return [...this.#lines].flatMap(([link, { account: { proof } }]) => proof ? [{ link, ...proof }] : []);
  }

  /** Has `beat` called soon and regularly, until it answers false. */
  lively(stripe: Ticked): void {
    this.#ticker.add(stripe);
  }

  /** Ends every stream with a reset. */
  close(): void {
    for (const stripe of [...this.streams]) stripe.stop();
    this.#ticker.close();
  }
}

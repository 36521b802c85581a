// What all striped streams of one process use together.
import { ADDRESS_BYTES, decodeAddress, type Native } from "../../../../core/native/ffi.ts";
import type { Reactor } from "../../reactor.ts";
import type { Counters } from "../../relay.ts";
import { Line } from "./line.ts";
import { Blocks } from "./blocks.ts";
import type { Stripe, StripeHost } from "./stripe.ts";
import { Ticker } from "./ticker.ts";

/** A stream whose connections have all broken is kept so long: the box makes others as soon as a link is there. */
export const BARE_MS = 120_000;
/** More links are not remembered. */
const MAX_LINES = 1_024;
const address = new Uint8Array(ADDRESS_BYTES);

export class Host implements StripeHost {
  readonly blocks = new Blocks();
  readonly held = { bytes: 0 };
  readonly streams = new Set<Stripe>();
  readonly #ticker = new Ticker();
  readonly #lines = new Map<string, Line>();

  constructor(readonly native: Native, readonly reactor: Reactor, readonly counters: Counters) {}

  /** By its name on the box; by the address that it comes from on the peer. */
  line(fd: number, link: string | undefined): Line {
    let name = link;
    if (name === undefined) {
      this.native.remoteAddress(fd, address);
      name = decodeAddress(address).host;
    }
    const line = this.#lines.get(name) ?? new Line();
    // The longest unseen come first.
    this.#lines.delete(name);
    this.#lines.set(name, line);
    if (this.#lines.size > MAX_LINES) this.#lines.delete(this.#lines.keys().next().value!);
    return line;
  }

  lively(stripe: Stripe): void {
    this.#ticker.add(stripe);
  }

  /** Ends every stream with a reset. */
  close(): void {
    for (const stripe of [...this.streams]) stripe.abort();
    this.#ticker.close();
  }
}

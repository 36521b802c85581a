// What the tunnel has found out about each link that TCP needs too: how large a packet may be, and how the peer sees it.
import type { TunnelPathFact } from "@otb/plugin";

/** A size that a path has had for so long is no guess from a search that goes on. */
const SETTLED_MS = 2_000;
/** What goes over a link without any limit of the way behind it. */
const ETHERNET_MTU = 1500;

interface Seen {
  mtu: number;
  sinceMs: number;
  publicAddress?: string;
}

/** Follows the tunnel's facts of all links. */
export class TunnelView {
  readonly #links = new Map<string, Seen>();

  /**
   * Takes the facts as they are now.
   * @returns links whose public address is another one than before: what was connected over them is lost
   */
  take(facts: Iterable<TunnelPathFact>, nowMs: number): string[] {
    const moved: string[] = [];
    for (const { link, state, mtu = ETHERNET_MTU, publicAddress } of facts) {
      const seen = this.#links.get(link);
      if (state !== "up") continue;
      if (seen?.publicAddress && publicAddress && publicAddress !== seen.publicAddress) moved.push(link);
      this.#links.set(link, {
        mtu,
        sinceMs: seen?.mtu === mtu ? seen.sinceMs : nowMs,
        publicAddress: publicAddress ?? seen?.publicAddress,
      });
    }
    return moved;
  }

  /** The largest IP packet that goes over a link whole, bytes; undefined where nothing is known, or nothing is in the way. */
  mtu(link: string, nowMs: number): number | undefined {
    const seen = this.#links.get(link);
    if (!seen || seen.mtu >= ETHERNET_MTU || nowMs - seen.sinceMs < SETTLED_MS) return undefined;
    return seen.mtu;
  }

  /** How the Internet sees a link, as far as is known. */
  publicAddress(link: string): string | undefined {
    return this.#links.get(link)?.publicAddress;
  }

  /** Forgets links that are gone. */
  keep(links: ReadonlySet<string>): void {
    for (const link of this.#links.keys()) if (!links.has(link)) this.#links.delete(link);
  }
}

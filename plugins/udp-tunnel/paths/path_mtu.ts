// How large a packet may be to go over a path whole, found without the help of ICMP (RFC 8899): probes of all sizes that networks
// have, of which the far end names the largest that came. Pure.

/** IPv6's least; tunnels; DS-Lite and PPPoE in some of their forms; plain Ethernet. */
export const SIZES = [1280, 1320, 1360, 1400, 1420, 1440, 1452, 1460, 1472, 1480, 1492, 1500];
export const LEAST_MTU = SIZES[0]!, MOST_MTU = SIZES.at(-1)!;

/** Waits after the rounds of a search: a probe may be lost like anything else. */
const SEARCH_US = [400_000, 1_000_000, 3_000_000];
/** While a path is used: how often its size is checked, and how often larger ones are tried. */
const CHECK_US = 10_000_000, RAISE_US = 600_000_000;
/** So many checks in a row must fail before the path counts as narrower. */
const CHECKS = 3, CHECK_AGAIN_US = 1_000_000;

/** So late no packet comes. */
const FORGOTTEN_US = 60_000_000;

/** The search on one path, as its sender knows it. */
export class PathMtu {
  /** IP bytes that go through whole: the least until more is known. */
  mtu = LEAST_MTU;
  /** Number of the round under way, as it travels; 0 is none. */
  round = 0;
  #nextUs = -Infinity;
  #attempt = 0;
  #isChecking = false;
  #missed = 0;
  #raisedUs = -Infinity;

  /** @param most what the link's own interface carries */
  constructor(private readonly most: number = MOST_MTU) {}

  /**
   * The sizes to send now, a probe each; mostly none.
   * @param isUsed something else travels over the path at present
   */
  due(nowUs: number, isUsed: boolean): number[] {
    if (nowUs < this.#nextUs) return [];
    if (this.#isChecking && ++this.#missed >= CHECKS) {
      this.#isChecking = false;
      this.#missed = 0;
      this.#attempt = 0;
      this.mtu = LEAST_MTU;
    }
    if (this.#attempt < SEARCH_US.length) {
      if (this.#attempt === 0) this.#raisedUs = nowUs;
      this.#nextUs = nowUs + SEARCH_US[this.#attempt++]!;
      this.#next();
      return SIZES.filter((size) => size > this.mtu && size <= this.most);
    }
    if (!isUsed) return [];
    if (!this.#isChecking && nowUs - this.#raisedUs > RAISE_US) {
      this.#attempt = SEARCH_US.length - 1;
      this.#raisedUs = nowUs;
      return this.due(nowUs, isUsed);
    }
    this.#isChecking = true;
    this.#nextUs = nowUs + CHECK_AGAIN_US;
    this.#next();
    return this.mtu > LEAST_MTU ? [this.mtu] : [];
  }

  /** The far end named the largest of a round. @returns true when the path's size changes */
  seen(round: number, bytes: number, nowUs: number): boolean {
    if (round !== this.round || bytes < LEAST_MTU || bytes > this.most) return false;
    if (this.#isChecking && bytes >= this.mtu) {
      this.#isChecking = false;
      this.#missed = 0;
      this.#nextUs = nowUs + CHECK_US;
    }
    if (bytes <= this.mtu) return false;
    this.mtu = bytes;
    if (bytes === this.most) {
      this.#attempt = SEARCH_US.length;
      this.#nextUs = nowUs + CHECK_US;
    }
    return true;
  }

  /** The kernel refused a packet of the present size: the link itself became narrower. */
  refused(): void {
    this.mtu = LEAST_MTU;
    this.#attempt = 0;
    this.#nextUs = -Infinity;
    this.#isChecking = false;
  }

  #next(): void {
    this.round = this.round % 255 + 1;
  }
}

/** What came of the other end's newest round. */
export class SeenSizes {
  round = 0;
  bytes = 0;

  #newestUs = -Infinity;

  /** A probe came. @param bytes as an IP packet */
  probe(round: number, bytes: number, nowUs: number): void {
    // Rounds follow each other; an older one that comes late says nothing new. They have eight bits, and many may be lost.
    const isLate = (round - this.round & 255) >= 128 && nowUs - this.#newestUs < FORGOTTEN_US;
    if (round !== this.round && !isLate) {
      [this.round, this.bytes] = [round, 0];
      this.#newestUs = nowUs;
    }
    if (round === this.round && bytes > this.bytes) this.bytes = bytes;
  }
}

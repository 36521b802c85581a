// What the box does for one striped stream: it adds other links when that pays, and replaces one that fails.
import type { Connector } from "./connect.ts";
import type { Way } from "../transport.ts";
import { helloOf, JOIN, OPEN } from "./hello.ts";
import type { Stripe } from "./stripe.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** A stream that has moved so much, and goes on moving, gets every link. */
const BULK_BYTES = 128 * 1024, GOES_ON_BYTES = 32 * 1024, GOES_ON_MS = 500;
/** So does one that moves less, as many share a slow link, once it has gone on for so many looks without a pause. */
const SLOW_BYTES = 48 * 1024, SLOW_GOES_ON_BYTES = 2 * 1024, SLOW_LOOKS = 6;
/** One that has moved so much is likely to: other links connect meanwhile. */
const LIKELY_BYTES = 16 * 1024;
/** A link that did not connect is tried again after this long, ever longer up to the last; to the shorter while no other carries. */
const RETRY_FIRST_MS = 500, RETRY_LAST_MS = 8_000, RETRY_STRANDED_MS = 1_000;
/** A stream that was not bulk for so long lets go of all links but one: those would be kept open for nothing. */
export const QUIET_MS = 20_000;
/** A link that may not carry any more is left after this time; it may only have been away for a moment. */
const LEAVE_MS = 2_000;
/** Who hears nothing to the first words of a stream for so long says them over another link, so often in all. */
const ANSWER_MS = 1_000, MOST_OPENS = 3;

/** The links that may carry now. */
export interface Ways {
  /** The best first. */
  all: readonly Way[];
  has(link: string | undefined): boolean;
}

/** When a link that failed is tried again. */
interface Retry {
  isConnecting: boolean;
  failedMs: number;
  waitMs: number;
}

export class Joining {
  #retries: Map<string, Retry> | undefined;
  #movedMs: number;
  #movedBytes = 0;
  /** Looks in a row at which it had moved. */
  #goesOn = 0;
  #opens = 1;
  #openedMs: number;
  #restsSinceMs: number | undefined;
  #isLikely = false;
  /** Where the present phase began: it has one connection until it is bulk again. */
  #phaseBytes = 0;
  #bulkMs: number;
  /** When it was last seen to be bulk. */
  #provedMs = -Infinity;

  constructor(
    private readonly connector: Connector,
    private readonly stripe: Stripe,
    private readonly token: Bytes,
    private target: Bytes | undefined,
    private readonly mark: number,
    nowMs: number,
  ) {
    this.#movedMs = this.#openedMs = this.#bulkMs = nowMs;
  }

  /** A regular look. */
  look(nowMs: number, ways: Ways): void {
    const { stripe } = this;
    // It is never opened again.
    if (stripe.isAnswered) this.target = undefined;
    const isBulk = this.#isBulk(nowMs);
    this.#foresee(ways);
    const isUnanswered = !stripe.isAnswered && nowMs - this.#openedMs > ANSWER_MS;
    const isCarried = !isUnanswered &&
      stripe.carriers.some(({ isSilent, link }) => !isSilent && ways.has(link));
    this.#leave(nowMs, ways, isCarried);
    if (!stripe.isAnswered && this.#opens >= MOST_OPENS) {
      if (stripe.carriers.length === 0) stripe.abort();
      return;
    }
    // The other end may be slow to reach its target.
    const isLate = stripe.isAnswered && stripe.isOverdue(nowMs);
    if (!isBulk && isCarried && !isLate) return;
    for (const way of ways.all) {
      const old = stripe.carriers.find(({ link }) => link === way.link);
      const retry = this.#retries?.get(way.link);
      if (old && !old.isSilent && !old.isOut || retry?.isConnecting) continue;
      const waitMs = Math.min(retry?.waitMs ?? 0, isCarried ? RETRY_LAST_MS : RETRY_STRANDED_MS);
      if (retry && nowMs < retry.failedMs + waitMs) continue;
      if (this.connector.isFull) return;
      this.#join(way, retry);
      // One that waited has joined at once, and may have had the last words.
      if (stripe.isOver) return;
      // Who only needs one gets one.
      if (!isBulk) return;
    }
  }

  /** Has other links connect before the stream needs them. */
  #foresee(ways: Ways): void {
    const { stripe, mark } = this;
    if (this.#isLikely || mark !== 0 || stripe.moved - this.#phaseBytes < LIKELY_BYTES) return;
    this.#isLikely = true;
    this.connector.want(ways.all.filter((way) => stripe.carriers.every(({ link }) => link !== way.link)));
  }

  #isBulk(nowMs: number): boolean {
    const { moved } = this.stripe;
    const fresh = moved - this.#movedBytes;
    // It goes on being what it was until the next look: a link that comes meanwhile is taken at once.
    if (nowMs - this.#movedMs < GOES_ON_MS && fresh < GOES_ON_BYTES) {
      return nowMs - this.#provedMs < GOES_ON_MS;
    }
    this.#movedBytes = moved;
    this.#movedMs = nowMs;
    this.#goesOn = fresh >= SLOW_GOES_ON_BYTES ? this.#goesOn + 1 : 0;
    const inPhase = moved - this.#phaseBytes;
    const isBulk = fresh >= GOES_ON_BYTES && inPhase >= BULK_BYTES ||
      this.#goesOn >= SLOW_LOOKS && inPhase >= SLOW_BYTES;
    if (isBulk) this.#bulkMs = this.#provedMs = nowMs;
    return isBulk;
  }

  /** A look from time to time: lets go of all links but the best, once nothing was bulk for a while. */
  rest(nowMs: number, ways: Ways, quietMs: number): void {
    const { stripe } = this;
    if (stripe.carriers.length < 2 || nowMs - this.#bulkMs < quietMs || !stripe.isAnswered) return;
    if (stripe.isOver || stripe.isOverdue(nowMs)) return;
    const kept = ways.all.map((way) =>
      stripe.carriers.find(({ link, isSilent }) => link === way.link && !isSilent)
    )
      .find((carrier) => carrier);
    if (!kept) return;
    for (const carrier of [...stripe.carriers]) if (carrier !== kept) stripe.lose(carrier, true);
    this.#phaseBytes = stripe.moved;
    this.#provedMs = -Infinity;
    this.#isLikely = false;
  }

  /** Leaves links that may not carry any more, once another does. */
  #leave(nowMs: number, ways: Ways, isCarried: boolean): void {
    const resting = this.stripe.carriers.filter(({ link }) => !ways.has(link));
    this.#restsSinceMs = resting.length > 0 && isCarried ? this.#restsSinceMs ?? nowMs : undefined;
    if (this.#restsSinceMs === undefined || nowMs - this.#restsSinceMs < LEAVE_MS) return;
    for (const carrier of resting) this.stripe.lose(carrier);
  }

  /** One more connection. */
  #join(way: Way, { waitMs }: { waitMs: number } = { waitMs: RETRY_FIRST_MS / 2 }): void {
    const { stripe, token, target, mark, connector } = this;
    const retry = { isConnecting: true, failedMs: 0, waitMs: Math.min(RETRY_LAST_MS, 2 * waitMs) };
    (this.#retries ??= new Map()).set(way.link, retry);
    if (!stripe.isAnswered) {
      this.#opens++;
      this.#openedMs = performance.now();
    }
    const words = stripe.isAnswered ? helloOf(JOIN, token) : helloOf(OPEN, token, target);
    connector.connect(way, mark, words, (greeted) => {
      const nowMs = performance.now();
      retry.isConnecting = false;
      retry.failedMs = greeted?.hasWaited ? -Infinity : nowMs;
      if (stripe.isOver) return greeted && connector.drop(greeted);
      if (!greeted) return;
      const old = stripe.carriers.find(({ link }) => link === way.link);
      const carrier = stripe.attach(greeted.sealed, greeted.codec, way.link);
      carrier.onHeard = () => this.#retries?.delete(way.link);
      stripe.greet(carrier);
      if (old) stripe.lose(old);
    });
  }
}

// A pool of connections that wait for streams, a few on each link: a stream that takes one saves the round trip of
// connecting. They say nothing before, as the time in a greeting must be fresh (SIP022 section 3.1.3).
import { type Native, PollEvents } from "../../../../core/native/ffi.ts";
import type { Reactor } from "../../relay/reactor.ts";
import type { Registered } from "../../relay/relay.ts";
import { Allowance } from "./allowance.ts";
import type { Way } from "../transport.ts";

/** So many wait on a link. */
const MOST_WAITING = 2;
/** Well before the peer resets who says nothing (HANDSHAKE_MS in server.ts), and before any operator forgets a connection. */
export const KEPT_MS = 10_000;

/** Gets a connection, or nothing when it did not come about. */
export type Done = (sealed?: Registered) => void;

/** One that is made, or waits. */
interface Waiting {
  /** Once it is connected. */
  sealed?: Registered;
  /** Who gets it then. */
  taker?: Done;
  /** Ends it. */
  drop: () => void;
  timer?: ReturnType<typeof setTimeout>;
}

/** Those of one link. */
interface Pool {
  allowance: Allowance;
  waiting: Waiting[];
}

export class WarmPool {
  readonly #pools = new Map<string, Pool>();

  /** @param dial connects over a link; returns how to give that up, upon which it answers too */
  constructor(
    private readonly settings: { native: Native; reactor: Reactor },
    private readonly dial: (way: Way, done: Done) => () => void,
  ) {}

  /** Streams are likely to want connections over this link soon. */
  want(way: Way): void {
    const nowMs = performance.now();
    const pool = this.#pools.get(way.link) ?? { allowance: new Allowance(nowMs), waiting: [] };
    this.#pools.set(way.link, pool);
    for (let count = MOST_WAITING - pool.waiting.length; count > 0; count--) {
      if (pool.allowance.spend(nowMs)) this.#make(pool, way);
    }
  }

  /** Gives `done` one of a link, at once or when it stands; false when there is none. */
  take(link: string, done: Done): boolean {
    const pool = this.#pools.get(link);
    const one = pool?.waiting.find(({ sealed }) => sealed) ?? pool?.waiting[0];
    if (!pool || !one) return false;
    this.#remove(pool, one);
    pool.allowance.giveBack();
    if (one.sealed) done(one.sealed);
    else one.taker = done;
    return true;
  }

  /** Gives one of a link that is connected. */
  takeReady(link: string): Registered | undefined {
    let taken: Registered | undefined;
    const isReady = this.#pools.get(link)?.waiting.some(({ sealed }) => sealed);
    if (isReady) this.take(link, (sealed) => taken = sealed);
    return taken;
  }

  /** Ends those of all links but these. */
  keep(isKept: (link: string) => boolean): void {
    for (const [link, { waiting }] of this.#pools) {
      if (!isKept(link)) { for (const { drop } of [...waiting]) drop(); }
    }
  }

  close(): void {
    this.keep(() => false);
  }

  #make(pool: Pool, way: Way): void {
    const { native, reactor } = this.settings;
    const one: Waiting = { drop: () => {} };
    pool.waiting.push(one);
    one.drop = this.dial(way, (sealed) => {
      if (one.taker) return one.taker(sealed);
      if (!sealed) return this.#remove(pool, one);
      const { fd, tag } = one.sealed = sealed;
      one.timer = setTimeout(() => one.drop(), KEPT_MS);
      one.drop = () => {
        this.#remove(pool, one);
        reactor.forget(tag);
        native.abort(fd);
      };
      // Whatever comes of who was told nothing is its end.
      sealed.watched = PollEvents.in;
      reactor.watch(fd, tag, sealed.watched);
      reactor.handle(tag, () => one.drop());
    });
  }

  #remove(pool: Pool, one: Waiting): void {
    clearTimeout(one.timer);
    const at = pool.waiting.indexOf(one);
    if (at >= 0) pool.waiting.splice(at, 1);
  }
}

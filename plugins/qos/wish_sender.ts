// Keeps the peer informed of what this box wants downstream: a connection that is made when there is something to want.
import type { Proxy } from "./socks5_client.ts";
import { connectToPeer } from "./socks5_client.ts";
import { closed, lines, parseAnswer, type Wish, writeLine } from "./wire.ts";

/** Wishes are said this often while they change, and renewed long before they are over. */
const SAY_MS = 500, RENEW_MS = 10_000;
/** After a failure it waits, twice as long each time. */
const FIRST_WAIT_MS = 1_000, MOST_WAIT_MS = 30_000;
const CONNECT_MS = 5_000;
const NO_SESSION = "the tunnel tells no session, so the peer can't know whose links these are";

/** Asks until closed. */
export class WishSender {
  /** Addresses that the peer shapes. */
  readonly granted = new Set<string>();
  lastError = "";
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  #wanted: { session: string; wishes: Wish[] } = { session: "", wishes: [] };
  #wake = () => {};

  constructor(private readonly proxy: () => Proxy | undefined, private readonly port: number) {
    this.#running = this.#run();
  }

  /**
   * Says what is wanted from now on; nothing is said twice.
   * @param session of the tunnel whose paths they are about; without one the peer can't know whose they are, and is not asked
   */
  want(session: string | undefined, wishes: Wish[]): void {
    const wanted = session === undefined ? { session: "", wishes: [] } : { session, wishes };
    if (session === undefined) this.lastError = wishes.length > 0 ? NO_SESSION : "";
    if (JSON.stringify(wanted) === JSON.stringify(this.#wanted)) return;
    this.#wanted = wanted;
    this.#wake();
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#wake();
    await this.#running;
  }

  async #run(): Promise<void> {
    let waitMs = FIRST_WAIT_MS;
    while (!this.#stop.signal.aborted) {
      if (this.#wanted.wishes.length === 0) {
        await this.#pause(RENEW_MS);
        continue;
      }
      const startMs = performance.now();
      try {
        await this.#converse();
      } catch (error) {
        this.lastError = (error as Error).message;
      }
      this.granted.clear();
      if (performance.now() - startMs > MOST_WAIT_MS) waitMs = FIRST_WAIT_MS;
      await this.#sleep(waitMs);
      waitMs = Math.min(MOST_WAIT_MS, waitMs * 2);
    }
  }

  async #converse(): Promise<void> {
    const { signal } = this.#stop;
    const connecting = AbortSignal.any([signal, AbortSignal.timeout(CONNECT_MS)]);
    const connection = await connectToPeer(this.proxy(), this.port, connecting);
    const stop = () => closed(connection);
    signal.addEventListener("abort", stop);
    try {
      const answers = lines(connection);
      for (;;) {
        const wanted = this.#wanted;
        const { session, wishes } = wanted;
        // A session that ended takes its wishes with it.
        if (session === "") return;
        await writeLine(connection, { kind: "shape", session, wishes });
        const timer = setTimeout(stop, RENEW_MS);
        const { value } = await answers.next().finally(() => clearTimeout(timer));
        const answer = parseAnswer(value ?? "");
        if (!answer) throw new Error("the peer does not take wishes: another version of otb runs there");
        const { refused } = answer;
        // Of a session that ended meanwhile an answer says nothing any more.
        if (this.#wanted.session === session) {
          this.lastError = refused.length === 0 ? "" : `the peer does not hold ${refused.join(", ")}`;
          this.granted.clear();
          for (const { address } of wishes) if (!refused.includes(address)) this.granted.add(address);
        }
        if (wishes.length === 0) return;
        await this.#sleep(SAY_MS);
        if (wanted === this.#wanted) await this.#pause(RENEW_MS);
        if (signal.aborted) return;
      }
    } finally {
      signal.removeEventListener("abort", stop);
      closed(connection);
    }
  }

  /** Until something new is wanted, at most so long. */
  #pause(ms: number): Promise<void> {
    if (this.#stop.signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#wake(), ms);
      this.#wake = () => {
        clearTimeout(timer);
        this.#wake = () => {};
        resolve();
      };
    });
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const stop = () => {
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(() => {
        this.#stop.signal.removeEventListener("abort", stop);
        resolve();
      }, ms);
      if (this.#stop.signal.aborted) stop();
      else this.#stop.signal.addEventListener("abort", stop, { once: true });
    });
  }
}

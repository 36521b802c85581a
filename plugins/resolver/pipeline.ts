// One persistent connection to a resolver with many questions under way at once, answered in any order (RFC 7766 sections
// 6.2.1.1 and 7).
import { framed, messages, writeAll } from "./frames.ts";
import { answers, type Query, withId } from "./wire.ts";

/** Questions under way on one connection; beyond, it is full. */
export const MAX_PIPELINED = 300;
/** A connection that nobody uses is closed. */
const IDLE_MS = 30_000;
/** So many messages that answer nothing, and whoever sends them is no resolver. */
const MAX_STRAY = 64;

interface Waiting {
  query: Query;
  resolve(response: Uint8Array<ArrayBuffer>): void;
  reject(error: Error): void;
}

/** A connection to a resolver. */
export class Pipeline {
  #waiting = new Map<number, Waiting>();
  #writing: Promise<void> = Promise.resolve();
  #idle: ReturnType<typeof setTimeout> | undefined;
  #closed = false;
  #stray = 0;

  constructor(private readonly connection: Deno.Conn, private readonly onEnd: () => void) {
    this.#rest();
    void this.#read();
  }

  get full(): boolean {
    return this.#waiting.size >= MAX_PIPELINED;
  }

  /**
   * Asks and waits for the answer, which comes back with the query's own id.
   * @throws Error when the connection ends, or `signal` aborts
   */
  ask(query: Query, signal: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
    if (this.#closed || this.full) return Promise.reject(new Error("the connection takes no more questions"));
    clearTimeout(this.#idle);
    const id = this.#freeId();
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array<ArrayBuffer>>();
    this.#waiting.set(id, { query, resolve, reject });
    const stop = () => reject(new Error("nobody waits any more"));
    signal.addEventListener("abort", stop);
    this.#writing = this.#writing
      .then(() => this.#closed ? undefined : writeAll(this.connection, framed(withId(query.message, id))))
      .catch((error) => this.close(`it cannot be written to: ${(error as Error).message}`));
    return promise.finally(() => {
      signal.removeEventListener("abort", stop);
      this.#waiting.delete(id);
      if (this.#waiting.size === 0) this.#rest();
    });
  }

  /** Ends it; what waits is refused with the reason. */
  close(reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#idle);
    try {
      this.connection.close();
    } catch {
      // The other end was faster.
    }
    for (const { reject } of this.#waiting.values()) reject(new Error(reason));
    this.onEnd();
  }

  #rest(): void {
    clearTimeout(this.#idle);
    if (!this.#closed) this.#idle = setTimeout(() => this.close("nobody used it"), IDLE_MS);
  }

  #freeId(): number {
    for (;;) {
      const id = crypto.getRandomValues(new Uint16Array(1))[0]!;
      if (!this.#waiting.has(id)) return id;
    }
  }

  async #read(): Promise<void> {
    let reason = "the resolver ended the connection";
    try {
      for await (const message of messages(this.connection)) {
        if (message.length < 2) return this.close("it is no resolver");
        const waiting = this.#waiting.get(message[0]! * 256 + message[1]!);
        if (waiting && answers(waiting.query, message)) waiting.resolve(withId(message, waiting.query.id));
        else if (++this.#stray > MAX_STRAY) return this.close("it sends what nobody asked for");
      }
    } catch (error) {
      reason = (error as Error).message;
    }
    this.close(reason);
  }
}

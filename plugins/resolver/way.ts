// One way to a resolver: a connection made when it is needed and kept, and how well it answers.
import { Pipeline } from "./pipeline.ts";
import { Rto } from "./rto.ts";
import { type Query, Rcode, rcodeOf } from "./wire.ts";

const CONNECT_MS = 3_000;
/** A question is given up after this long. */
export const ANSWER_MS = 4_500;
/** No answer at all on a connection for this long in spite of questions: it is dead, whatever TCP thinks. */
const DEAD_MS = 1_500;
/** After a failed connect the next one waits, twice as long each time. */
const RETRY_MS = 250, MAX_RETRY_MS = 8_000;

/** Makes a connection. @throws Error; must end when `signal` aborts */
export type Connect = (signal: AbortSignal) => Promise<Deno.Conn>;

/** One way. */
export class Way {
  readonly rto = new Rto();
  /** Questions in a row that it did not answer in time. */
  missed = 0;
  lastError = "";
  #pipeline: Pipeline | undefined;
  #connecting: Promise<Pipeline> | undefined;
  #failures = 0;
  #retryAtMs = 0;
  #heardMs = 0;
  readonly #abort = new AbortController();

  constructor(readonly name: string, private readonly connect: Connect) {}

  /**
   * The resolver's answer; one that says that it failed (SERVFAIL, REFUSED) is an answer too.
   * @throws Error when there is none, or `signal` aborts
   */
  async ask(query: Query, signal: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
    const startMs = performance.now();
    try {
      const pipeline = await this.#open();
      signal.throwIfAborted();
      const response = await pipeline.ask(query, signal);
      this.#heardMs = performance.now();
      this.#failures = 0;
      this.rto.answered(this.#heardMs - startMs, this.#heardMs);
      this.missed = 0;
      return response;
    } catch (error) {
      const waitedMs = performance.now() - startMs;
      // One that lost a race by less than its usual time did nothing wrong.
      if (!signal.aborted || waitedMs > this.rto.ms) this.missed++;
      this.lastError = (error as Error).message;
      if (signal.aborted && waitedMs > DEAD_MS && this.#heardMs < startMs) {
        this.#pipeline?.close("it answers nothing");
      }
      throw error;
    }
  }

  close(): void {
    this.#abort.abort();
    this.#pipeline?.close("the resolver stops");
  }

  /** The connection, made when there is none. */
  async #open(): Promise<Pipeline> {
    if (this.#pipeline) return this.#pipeline;
    if (this.#connecting) return await this.#connecting;
    if (performance.now() < this.#retryAtMs) throw new Error(this.lastError);
    this.#connecting = this.#make();
    try {
      return await this.#connecting;
    } finally {
      this.#connecting = undefined;
    }
  }

  async #make(): Promise<Pipeline> {
    const signal = AbortSignal.any([this.#abort.signal, AbortSignal.timeout(CONNECT_MS)]);
    try {
      const connection = await this.connect(signal);
      const madeMs = performance.now();
      const pipeline: Pipeline = new Pipeline(connection, () => {
        if (this.#pipeline === pipeline) this.#pipeline = undefined;
        // Made and ended without one answer, as a proxy does whose target refuses.
        if (this.#heardMs < madeMs) this.#failed();
      });
      this.#pipeline = pipeline;
      return pipeline;
    } catch (error) {
      this.#failed();
      throw signal.aborted ? new Error("it took too long to connect") : error;
    }
  }

  #failed(): void {
    this.#failures = Math.min(this.#failures + 1, 10);
    this.#retryAtMs = performance.now() + Math.min(MAX_RETRY_MS, RETRY_MS * 2 ** (this.#failures - 1));
  }
}

/** Whether an answer settles the question: there is something, or there is no such thing. */
export function isGood(response: Uint8Array): boolean {
  const rcode = rcodeOf(response);
  return rcode === Rcode.noError || rcode === Rcode.nameError;
}

// When a plugin that is not there always is wanted: while a fact is there, now and then, or while it is called.
import { readFactId } from "../contract/fact.ts";
import type { FactBoard } from "./facts.ts";
import type { Manifest } from "./manifest.ts";

/** How long it stays when it is wanted no more: what is wanted again soon, as after a crash of who published the fact, goes on. */
const LINGER_MS = 30_000;

/** The plugin, as far as it can be had and sent away. */
export interface Actor {
  /** Resolves once it is ready, or could not be started. */
  wake(): Promise<void>;
  rest(): Promise<void>;
}

/** Wakes one plugin and sends it to rest, one after the other. */
export class Activation {
  #queue: Promise<void> = Promise.resolve();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #schedule: ReturnType<typeof setInterval> | undefined;
  #unsubscribe = () => {};
  #calls = 0;
  #isAwake = false;
  #isOver = false;

  constructor(
    private readonly runs: Exclude<Manifest["runs"], "always">,
    private readonly facts: Pick<FactBoard, "of" | "subscribe">,
    private readonly actor: Actor,
    private readonly lingerMs = LINGER_MS,
  ) {}

  /** In plain words when it runs. */
  get reason(): string {
    const { runs } = this;
    if (runs === "on-call") return "runs while it is called";
    return "whileFact" in runs
      ? `runs while there is a fact ${runs.whileFact}`
      : `runs every ${runs.everyMinutes} minutes`;
  }

  /** From now on; @param isAwake it runs already, left by an earlier core */
  async begin(isAwake: boolean): Promise<void> {
    const { runs } = this;
    this.#isOver = false;
    this.#isAwake = isAwake;
    if (typeof runs === "object" && "everyMinutes" in runs) {
      this.#schedule = setInterval(() => void this.#pass(), runs.everyMinutes * 60_000);
      return await this.#pass();
    }
    this.#unsubscribe = this.facts.subscribe((id) => {
      if (readFactId(id).key === this.#fact) void this.#look();
    });
    await this.#look();
  }

  /** Nothing is done any more. */
  async end(): Promise<void> {
    this.#isOver = true;
    clearTimeout(this.#timer);
    clearInterval(this.#schedule);
    this.#unsubscribe();
    await this.#queue;
  }

  /** Has it awake for one call. */
  async during<T>(call: () => Promise<T>): Promise<T> {
    this.#calls++;
    try {
      await this.#look();
      return await call();
    } finally {
      this.#calls--;
      void this.#look();
    }
  }

  get #isWanted(): boolean {
    return this.#calls > 0 || this.#fact !== undefined && this.facts.of([this.#fact]).length > 0;
  }

  /** The fact that wants it. */
  get #fact(): string | undefined {
    return typeof this.runs === "object" && "whileFact" in this.runs ? this.runs.whileFact : undefined;
  }

  /** Once on a schedule: what it has to do is done when it has started. */
  async #pass(): Promise<void> {
    await this.during(() => Promise.resolve());
    clearTimeout(this.#timer);
    this.#timer = undefined;
    await this.#rest();
  }

  async #look(): Promise<void> {
    if (this.#isOver) return;
    if (this.#isWanted) {
      clearTimeout(this.#timer);
      this.#timer = undefined;
      return await this.#wake();
    }
    if (!this.#isAwake) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      void this.#rest();
    }, this.lingerMs);
  }

  #wake(): Promise<void> {
    return this.#queue = this.#queue.then(async () => {
      if (this.#isOver || this.#isAwake) return;
      this.#isAwake = true;
      await this.actor.wake();
      // It may be wanted no more by now.
      void this.#look();
    });
  }

  #rest(): Promise<void> {
    return this.#queue = this.#queue.then(async () => {
      if (this.#isOver || !this.#isAwake || this.#isWanted) return;
      this.#isAwake = false;
      await this.actor.rest();
      void this.#look();
    });
  }
}

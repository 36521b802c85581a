// Looks after streams while something goes on in them; an idle stream costs nothing.

/** What is looked after; answers false when it needs no looks for now. */
export interface Ticked {
  beat(nowMs: number): boolean;
}

const EVERY_MS = 20;

export class Ticker {
  readonly #lively = new Set<Ticked>();
  #timer: ReturnType<typeof setInterval> | undefined;

  /** @param after each round, as long as anything is looked after */
  constructor(private readonly after: (nowMs: number) => void = () => {}) {}

  add(ticked: Ticked): void {
    this.#lively.add(ticked);
    this.#timer ??= setInterval(() => this.#beat(), EVERY_MS);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#lively.clear();
  }

  #beat(): void {
    const nowMs = performance.now();
    for (const ticked of this.#lively) if (!ticked.beat(nowMs)) this.#lively.delete(ticked);
    this.after(nowMs);
    if (this.#lively.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

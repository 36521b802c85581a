// Errors that nobody caught, of a promise that nobody waited for or of a callback that threw: they are reported, and do not end
// the process. What such an error left half done is somebody's mistake; but ending the process would end everything else too.

/** Told of an error that nobody caught. */
export type OnUncaught = (error: unknown) => void;

/** Catches what nobody else does in this process, until the returned function is called. */
export function catchUncaught(onUncaught: OnUncaught): () => void {
  const take = (event: Event, error: unknown) => {
    event.preventDefault();
    try {
      onUncaught(error);
    } catch {
      // A report that fails must not come back here.
    }
  };
  const rejected = (event: PromiseRejectionEvent) => take(event, event.reason);
  const thrown = (event: ErrorEvent) => take(event, event.error);
  globalThis.addEventListener("unhandledrejection", rejected);
  globalThis.addEventListener("error", thrown);
  return () => {
    globalThis.removeEventListener("unhandledrejection", rejected);
    globalThis.removeEventListener("error", thrown);
  };
}

/** What is told of it: where it came from, for whoever mends it. */
export function describeUncaught(error: unknown): { reason: string; at: string } {
  const stack = error instanceof Error ? error.stack ?? "" : "";
  return {
    reason: error instanceof Error ? error.message : String(error),
    at: stack.split("\n").slice(1, 4).map((line) => line.trim().replace(/^at /, "")).join("; "),
  };
}

/** So many within so long, and it is no slip any more: what runs is broken. */
const MANY = 10, WITHIN_MS = 60_000;

/** Tells a slip from a loop of them. Pure: time comes in. */
export class Slips {
  #times: number[] = [];

  /** One more; true when there were too many. */
  another(nowMs: number): boolean {
    this.#times = [...this.#times.filter((atMs) => nowMs - atMs < WITHIN_MS), nowMs];
    return this.#times.length >= MANY;
  }

  /** None for long enough that nobody needs to know any more. */
  isOver(nowMs: number): boolean {
    return nowMs - (this.#times.at(-1) ?? -Infinity) >= WITHIN_MS;
  }
}

// What is put back again and again, as somebody else keeps undoing it: when it is due again, and when a person must know. Pure.

/** Undone so soon after it was put back, it is a fight; later it is news. */
const CALM_MS = 10_000;
/** Put back at once so often in a row; then later each time. */
const PATIENCE = 3;
const FIRST_WAIT_MS = 1_000, LAST_WAIT_MS = 60_000;
/** A person is told of it so long after the last time. */
const TOLD_MS = 60_000;

interface Fight {
  times: number;
  lastMs: number;
}

/** Of resources by their identity. Times are of a clock that never goes back. */
export class Fights {
  readonly #fights = new Map<string, Fight>();

  /** It was undone, and is put back now. */
  repaired(id: string, nowMs: number): void {
    const former = this.#fights.get(id);
    const isAgain = former && nowMs - former.lastMs <= CALM_MS + waitMs(former);
    this.#fights.set(id, { times: isAgain ? former.times + 1 : 1, lastMs: nowMs });
    for (const [other, fight] of this.#fights) {
      if (nowMs - fight.lastMs > TOLD_MS + CALM_MS + waitMs(fight)) this.#fights.delete(other);
    }
  }

  /** When it may be put back again; 0: at once. */
  dueMs(id: string): number {
    const fight = this.#fights.get(id);
    const wait = fight ? waitMs(fight) : 0;
    return wait > 0 ? fight!.lastMs + wait : 0;
  }

  /** What does not stay, and how often it was put back in a row. */
  going(nowMs: number): { id: string; times: number }[] {
    return [...this.#fights].filter(([, fight]) =>
      fight.times >= PATIENCE && nowMs - fight.lastMs <= TOLD_MS + waitMs(fight)
    ).map(([id, { times }]) => ({ id, times }));
  }
}

function waitMs({ times }: Fight): number {
  return times < PATIENCE ? 0 : Math.min(LAST_WAIT_MS, FIRST_WAIT_MS * 2 ** (times - PATIENCE));
}

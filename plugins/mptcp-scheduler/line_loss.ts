// Tells what the line loses from what a full queue does. A queue that overflows drops while it stands at its most and the path
// carries what it can; a radio drops whenever it likes. So the line's loss is what is lost while the queue is not full. Pure.

/** A path over one beat. */
export interface LossBeat {
  atMs: number;
  /** Segments sent, and of them again. */
  sent: number;
  again: number;
  rttMs?: number;
  minRttMs?: number;
  bitsPerSecond: number;
}

/** What is known of the last beats; absent: too few segments say nothing. */
export interface LossFound {
  /** Share of segments sent again. */
  loss?: number;
  /** The line's part of it, as a share of segments; absent too while the queue is so full all the time that nobody can tell. */
  lineLoss?: number;
}

const WINDOW_BEATS = 100;
/** Fewer segments say nothing of loss. */
const MIN_SEGMENTS = 200;
/** Of all that was sent, so much must have gone while the queue was not full, or it says nothing. */
const MIN_SHARE = 0.05;
/** Near its most: this share of the longest queue of the window, and no less than a queue at all. */
const FULL_SHARE = 0.6, QUEUE_MS = 5;
/**
 * As much as it carries: this share of the rate that a quarter of the beats exceed. The highest says nothing: what waited for a
 * segment to be sent again is acknowledged all at once.
 */
const PLATEAU_SHARE = 0.6, PLATEAU_AT = 0.75;
/** What overflowed is sent again a round trip later, while the queue drains already. */
const AFTERMATH_MS = 500, AFTERMATH_TRIPS = 2;
/** Where nothing else tells, a longest queue beyond this is one that overflows; a shorter one is a radio's unrest. */
const STANDING_FACTOR = 0.25, STANDING_MS = 10;
/** How long a shortest round trip counts: the route may change. */
const SHORTEST_MS = 300_000;

/** Watches one path. */
export class LineLoss {
  readonly #beats: (LossBeat & { queueMs: number })[] = [];
  /** Shortest round trips of this period and of the one before. */
  #shortest: [number, number] = [Infinity, Infinity];
  #shortestSinceMs = -Infinity;

  /** Takes a beat and judges the last ones. */
  beat(beat: LossBeat): LossFound {
    if (beat.atMs - this.#shortestSinceMs > SHORTEST_MS) {
      this.#shortest = [Infinity, this.#shortest[0]];
      this.#shortestSinceMs = beat.atMs;
    }
    // Connections that began on a full queue have never seen it empty; older ones have.
    this.#shortest[0] = Math.min(this.#shortest[0], beat.minRttMs ?? Infinity, beat.rttMs ?? Infinity);
    const baseMs = Math.min(...this.#shortest);
    this.#beats.push({ ...beat, queueMs: beat.rttMs === undefined ? 0 : beat.rttMs - baseMs });
    if (this.#beats.length > WINDOW_BEATS) this.#beats.shift();
    return judge(this.#beats, baseMs);
  }
}

function judge(beats: (LossBeat & { queueMs: number })[], baseMs: number): LossFound {
  const all = sum(beats);
  if (all.sent < MIN_SEGMENTS) return {};
  const loss = all.again / all.sent;
  const longestMs = Math.max(...beats.map(({ queueMs }) => queueMs));
  const rates = beats.filter(({ sent }) => sent > 0).map(({ bitsPerSecond }) => bitsPerSecond).sort((a, b) =>
    a - b
  );
  const plateau = PLATEAU_SHARE * rates[Math.floor(rates.length * PLATEAU_AT)]!;
  const fullMs = Math.max(QUEUE_MS, FULL_SHARE * longestMs);
  // Of the first of many nobody knows any more what was just before.
  let fullUntilMs = beats.length < WINDOW_BEATS ? -Infinity : beats[0]!.atMs + AFTERMATH_MS;
  const calm = beats.filter(({ atMs, queueMs, bitsPerSecond, rttMs = 0 }, index) => {
    if (queueMs >= fullMs && bitsPerSecond >= plateau) {
      // What is sent again by the next look may have been lost just after this one.
      const nextMs = (beats[index + 1]?.atMs ?? atMs) - atMs;
      fullUntilMs = atMs + Math.max(AFTERMATH_MS, AFTERMATH_TRIPS * rttMs, nextMs);
    }
    return atMs > fullUntilMs;
  });
  const { sent, again } = sum(calm);
  if (sent >= MIN_SEGMENTS && sent >= MIN_SHARE * all.sent) {
    return { loss, lineLoss: Math.min(loss, again / sent) };
  }
  if (loss === 0) return { loss, lineLoss: 0 };
  return longestMs > STANDING_MS + STANDING_FACTOR * baseMs ? { loss } : { loss, lineLoss: loss };
}

function sum(beats: LossBeat[]): { sent: number; again: number } {
  return beats.reduce((total, { sent, again }) => ({ sent: total.sent + sent, again: total.again + again }), {
    sent: 0,
    again: 0,
  });
}

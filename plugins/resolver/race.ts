// Asks one way, and the next one as well when it takes longer than usual, or failed; the first good answer wins.
import type { Query } from "./wire.ts";
import { ANSWER_MS, isGood, type Way } from "./way.ts";

/** A way that missed so many in a row has its successor asked at the same moment, and is asked on to see it come back. */
export const DOUBTED_AFTER = 2;

/** What came out. */
export interface Outcome {
  /** Undefined when no way answered at all. */
  response?: Uint8Array<ArrayBuffer>;
  /** Who gave it; undefined when all that is known is that it failed. */
  way?: Way;
}

/** Races a query over ways in order of preference; never throws. */
export async function race(query: Query, ways: readonly Way[], stop: AbortSignal): Promise<Outcome> {
  const deadline = new AbortController();
  const signal = AbortSignal.any([deadline.signal, stop]);
  const timer = setTimeout(() => deadline.abort(), ANSWER_MS);
  const { promise, resolve } = Promise.withResolvers<Outcome>();
  /** An answer that says it failed: better than none. */
  let poor: Outcome = {};
  let next = 0, open = 0;
  let hedge: ReturnType<typeof setTimeout> | undefined;
  const giveUp = () => resolve(poor);
  signal.addEventListener("abort", giveUp);
  const askNext = () => {
    clearTimeout(hedge);
    const way = ways[next++];
    if (!way) {
      if (open === 0) giveUp();
      return;
    }
    open++;
    hedge = setTimeout(askNext, way.missed >= DOUBTED_AFTER ? 0 : way.rto.ms);
    way.ask(query, signal).then((response) => {
      open--;
      if (isGood(response)) return resolve({ response, way });
      poor = { response };
      askNext();
    }, () => {
      open--;
      askNext();
    });
  };
  askNext();
  const outcome = await promise;
  clearTimeout(timer);
  clearTimeout(hedge);
  signal.removeEventListener("abort", giveUp);
  // The losers go on for a moment: how they answer is how the next question knows whom to trust.
  next = ways.length;
  setTimeout(() => deadline.abort(), outcome.way ? LINGER_MS : 0);
  return outcome;
}

/** A way that is asked on after another one has won. */
const LINGER_MS = 1_600;

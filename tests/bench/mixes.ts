// Sets of links as homes have them, for benchmarks of how they add up.
import type { LinkSpec } from "../lab/parse.ts";

const NAMES = ["fibre", "cable", "dsl", "lte", "sat", "phone", "radio", "village"];

/** A link from `down/up/delay/queue/loss`: Mbit/s, one-way milliseconds, milliseconds, percent. */
export function mix(...words: string[]): LinkSpec[] {
  return words.map((word, index) => {
    const [downMbps, upMbps, delayMs, queueMs, lossPercent] = word.split("/").map(Number) as [
      number,
      number,
      number,
      number,
      number,
    ];
    return { name: NAMES[index]!, downMbps, upMbps, delayMs, queueMs, lossPercent };
  });
}

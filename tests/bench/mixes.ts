// Sets of links as homes have them, for benchmarks of how they add up.
import type { LinkSpec } from "../lab/parse.ts";
import { links } from "../measure.ts";

/** Links from `down/up/delay/queue/loss`: Mbit/s, one-way milliseconds, milliseconds, percent. */
export function mix(...words: string[]): LinkSpec[] {
  const parts = words.map((word) => word.split("/"));
  return links(...parts.map(([down, up, delay, _queue, loss]) => [down, up, delay, loss].join("/")))
    .map((link, index) => ({ ...link, queueMs: Number(parts[index]![3]) }));
}

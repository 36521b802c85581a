// Which of the conditions that stand are shown to people: one cause does not raise five alarms, and a blip raises none. Pure.
import type { HealthReport } from "../client/types.ts";
import { drawn, type Language, type Parameters, type Words } from "../contract/mod.ts";

/** A condition that somebody raised and did not clear. */
export interface Standing {
  /** Who raised it. */
  plugin: string;
  code: string;
  parameters: Parameters;
  /** Since when it stands without a break; milliseconds since the epoch. */
  sinceMs: number;
  /** Where its text and its rule are. */
  words: Words;
}

/**
 * Those that are shown: what has stood long enough, and does not follow from another one that is told. Told is what is shown, or
 * what follows from something told. Of conditions that follow from each other in a circle the first is hidden and another one shown.
 */
export function shown(standing: readonly Standing[], nowMs: number): Standing[] {
  const rule = ({ words, code }: Standing) => words.conditions[code]!;
  const isGrown = (one: Standing) => nowMs - one.sinceMs >= (rule(one).visibleAfterMs ?? 0);
  const judged = new Map<Standing, "asked" | "shown" | "hidden" | "young">();
  const judge = (one: Standing): "asked" | "shown" | "hidden" | "young" => {
    const known = judged.get(one);
    if (known) return known;
    judged.set(one, "asked");
    const causes = standing.filter((other) => other !== one && rule(one).dependsOn?.includes(other.code));
    const isTold = causes.some((cause) => ["shown", "hidden"].includes(judge(cause)));
    const found = isTold ? "hidden" : isGrown(one) ? "shown" : "young";
    judged.set(one, found);
    return found;
  };
  return standing.filter((one) => judge(one) === "shown");
}

/** A condition as clients see it. */
export function reportOf(standing: Standing, language?: Language): HealthReport {
  const { plugin, code, parameters, sinceMs, words } = standing;
  return { ...drawn(words, [code, parameters], language), plugin, sinceMs };
}

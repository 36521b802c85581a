// What the core itself tells people of links, the LAN and the kernel. Pure.
import { checkLan, checkLanPlace, type Place } from "../config/lan.ts";
import type { Lan, Link } from "../contract/mod.ts";
import type { Standing } from "../supervisor/standing.ts";
import { type CoreCondition, coreWords } from "../texts/mod.ts";

/** So many are named, the others counted. */
const NAMED = 3;

/** A condition of the core that stands. */
export function standing([code, parameters]: CoreCondition, sinceMs: number): Standing {
  return { plugin: "core", code, parameters, sinceMs, words: coreWords };
}

/** What is the matter with the LAN's settings on this machine. */
export function lanConditions(lan: Lan, places: readonly Place[] | undefined): CoreCondition[] {
  return [...checkLan(lan), ...checkLanPlace(lan, places)].map((
    { code, message: problem },
  ): CoreCondition => [
    code,
    { problem },
  ]);
}

/** Links that should be used and cannot. */
export function linkConditions(links: readonly Link[]): CoreCondition[] {
  return links.flatMap(({ name: link, tier, observed: { state, reason = "" } }): CoreCondition[] =>
    tier === "never" || state === "up"
      ? []
      : state === "down"
      ? [["link-down", { link, reason }]]
      : [["link-missing", { link, reason }]]
  );
}

/** What somebody else keeps undoing in the kernel. */
export function undone(fights: readonly { resource: string; times: number }[]): CoreCondition[] {
  if (fights.length === 0) return [];
  const { phrase } = coreWords;
  const more = fights.length - NAMED;
  return [["kernel-undone", {
    what: fights.slice(0, NAMED).map(({ resource, times }) => phrase("undone", { resource, count: times })),
    more: more > 0 ? phrase("and-more", { count: more }) : "",
  }]];
}

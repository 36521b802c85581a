// Tells which links are held back, by facts.
import { type Context, HELD, type HeldLinkFact, type HoldProof } from "@otb/plugin";
import type { HeldLink } from "./transport/striped/guard.ts";

/** Links by the name that they have here, and for which direction. */
export type HeldLinks = Partial<Record<"up" | "down", readonly HeldLink[]>>;

/** The facts of links that are held back. @param clockMs the time of day at this moment, @param nowMs the same by the links' clock */
export function heldFacts({ up = [], down = [] }: HeldLinks, clockMs: number, nowMs: number): HeldLinkFact[] {
  const facts = new Map<string, HeldLinkFact>();
  for (const [direction, links] of [["up", up], ["down", down]] as const) {
    for (const { link, withBitsPerSecond, withoutBitsPerSecond, sinceMs, untilMs } of links) {
      const proof: HoldProof = {
        withBitsPerSecond: Math.round(withBitsPerSecond),
        withoutBitsPerSecond: Math.round(withoutBitsPerSecond),
        sinceMs: toSecond(clockMs + sinceMs - nowMs),
        untilMs: toSecond(clockMs + untilMs - nowMs),
      };
      facts.set(link, { ...facts.get(link) ?? { link }, [direction]: proof });
    }
  }
  return [...facts.values()];
}

/** Clocks tick apart by less than that: who is held back is told once. */
function toSecond(ms: number): number {
  return Math.round(ms / 1000) * 1000;
}

/** Publishes them as they are now. */
export function tellHeld(
  { facts, clock }: Pick<Context<unknown>, "facts" | "clock">,
  links: HeldLinks,
): void {
  const held = heldFacts(links, clock.now(), performance.now());
  facts.publishAll(HELD, new Map(held.map((fact) => [fact.link, fact])));
}

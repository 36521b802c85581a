// Tells which links are held back, by facts.
import type { Context, HeldLinkFact, HoldProof } from "@otb/plugin";
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

/** Publishes them as they are at each call. */
export class HeldFacts {
  /** Links that are told of. */
  #told = new Set<string>();

  constructor(private readonly ctx: Pick<Context<unknown>, "facts" | "clock">) {}

  tell(links: HeldLinks): void {
    const { facts, clock } = this.ctx;
    const now = heldFacts(links, clock.now(), performance.now());
    const held = new Set(now.map(({ link }) => link));
    for (const link of this.#told) if (!held.has(link)) facts.publish(`held/${link}`, undefined);
    for (const fact of now) facts.publish(`held/${fact.link}`, { ...fact });
    this.#told = held;
  }
}

// What my-plugin is about, as a pure function: that is what its tests look at.
import type { Link, Raised } from "@otb/plugin";
import type { Words } from "./texts/mod.ts";

/** How many links are up, and the condition to raise when they are too few. */
export function judge(links: readonly Link[], atLeast: number): { up: number; condition?: Raised<Words> } {
  const up = links.filter(({ observed }) => observed.state === "up").length;
  if (up >= atLeast) return { up };
  return { up, condition: ["too-few-links", { up, count: links.length, atLeast }] };
}

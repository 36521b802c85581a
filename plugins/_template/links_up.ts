// What my-plugin is about, as a pure function: that is what its tests look at.
import type { HealthCondition, Link } from "@otb/plugin";

/** How many links are up, and the condition to raise when they are too few. */
export function judge(links: readonly Link[], atLeast: number): { up: number; condition?: HealthCondition } {
  const up = links.filter(({ observed }) => observed.state === "up").length;
  if (up >= atLeast) return { up };
  return {
    up,
    condition: {
      code: "too-few-links",
      severity: "warning",
      message: `Only ${up} of ${links.length} links are up, and ${atLeast} should be.`,
      next: "Look at otb status, or lower atLeast of my-plugin.",
    },
  };
}

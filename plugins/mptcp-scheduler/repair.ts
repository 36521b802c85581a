// Connections that should have a subflow on a link and have none: the kernel makes those that failed no more by itself.
import type { LinkMemory } from "./link_memory.ts";
import type { PathSample } from "./telemetry.ts";

/** A connection older than this has its subflows everywhere, or something keeps them away. */
const JOIN_MS = 3_000;
/** So long one must be missing. */
const MISSING_MS = 1_000;
/** Waits between attempts to have missing subflows created: longer each time. */
const REPAIR_FIRST_MS = 4_000, REPAIR_LAST_MS = 300_000;

/** Connections, by token, that are old enough to have a subflow on every link. */
export class Connections {
  readonly #sinceMs = new Map<number, number>();

  /** @param tokens of those that there are now @returns the grown ones */
  look(tokens: ReadonlySet<number>, nowMs: number): number[] {
    for (const token of tokens) if (!this.#sinceMs.has(token)) this.#sinceMs.set(token, nowMs);
    for (const token of this.#sinceMs.keys()) if (!tokens.has(token)) this.#sinceMs.delete(token);
    return [...this.#sinceMs].filter(([, sinceMs]) => nowMs - sinceMs > JOIN_MS).map(([token]) => token);
  }
}

/**
 * Has the endpoint of a link made anew, ever more rarely, while grown connections lack a subflow on it; and tells by `stripped`
 * whether Multipath TCP passes the link.
 * @param isPlainMeant connections without Multipath TCP are as intended
 */
export function repair(
  memory: LinkMemory,
  sample: PathSample | undefined,
  grown: readonly number[],
  isPlainMeant: boolean,
  nowMs: number,
): void {
  if (!isPlainMeant && (sample?.plain ?? 0) > 0 && sample!.subflows === 0) memory.stripped = true;
  if (sample && sample.subflows > 0) {
    memory.stripped = false;
    memory.repairs = 0;
  }
  const missing = grown.length > 0 && !memory.verdict.out &&
    !grown.some((token) => sample?.tokens.has(token));
  if (!missing) {
    memory.joinMissingSinceMs = undefined;
    return;
  }
  memory.joinMissingSinceMs ??= nowMs;
  if (nowMs - memory.joinMissingSinceMs < MISSING_MS || nowMs < memory.nextRepairMs) return;
  memory.verdict.generation++;
  memory.repairs++;
  memory.nextRepairMs = nowMs + Math.min(REPAIR_LAST_MS, REPAIR_FIRST_MS * 2 ** (memory.repairs - 1));
  // It answers probes, yet no subflow ever joins over it.
  if (memory.repairs > 1) memory.stripped = true;
}

// Once a process has begun, what beginning took is given back to the system.

/** So long after its start nothing of it is under way any more. */
const SETTLED_MS = 3_000;

/**
 * Sweeps the heap once, some seconds from now. Loading modules makes much garbage, and V8 sweeps only when room is needed again, which
 * an idle process never does: 4 to 5 MB each (measured as private memory). It takes some 30 ms, once.
 */
export function settleMemory(): void {
  const { gc } = globalThis as { gc?: (options: object) => void };
  if (!gc) return;
  const timer = setTimeout(() => gc({ type: "major", execution: "sync", flavor: "last-resort" }), SETTLED_MS);
  Deno.unrefTimer(timer as unknown as number);
}

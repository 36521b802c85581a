// When bytes arrived, by this machine's clock, so that what several connections and both ends saw can be put together. Pure.

/** Length of one slot, milliseconds. */
export const SLOT_MS = 100;

/** Bytes in each slot from the one of this number on; slot 0 began with the epoch. */
export interface Arrivals {
  fromSlot: number;
  bytes: number[];
}

/** Adds bytes that arrived at a time since the epoch, which never goes back by more than `arrivals` is long. */
export function add(arrivals: Arrivals, atMs: number, count: number): void {
  const slot = Math.floor(atMs / SLOT_MS);
  if (arrivals.bytes.length === 0) arrivals.fromSlot = slot;
  const index = Math.max(0, slot - arrivals.fromSlot);
  while (arrivals.bytes.length <= index) arrivals.bytes.push(0);
  arrivals.bytes[index]! += count;
}

/** What several connections saw, added up. */
export function joined(all: Arrivals[]): Arrivals {
  const seen = all.filter(({ bytes }) => bytes.length > 0);
  const sum: Arrivals = { fromSlot: Math.min(...seen.map(({ fromSlot }) => fromSlot)), bytes: [] };
  for (const { fromSlot, bytes } of seen) {
    for (const [index, count] of bytes.entries()) {
      const at = fromSlot - sum.fromSlot + index;
      while (sum.bytes.length <= at) sum.bytes.push(0);
      sum.bytes[at]! += count;
    }
  }
  return seen.length > 0 ? sum : { fromSlot: 0, bytes: [] };
}

/** Mbit/s between two times since the epoch; a slot that is half inside counts half. */
export function mbpsBetween({ fromSlot, bytes }: Arrivals, fromMs: number, toMs: number): number {
  let sum = 0;
  for (const [index, count] of bytes.entries()) {
    const startMs = (fromSlot + index) * SLOT_MS;
    const insideMs = Math.min(toMs, startMs + SLOT_MS) - Math.max(fromMs, startMs);
    if (insideMs > 0) sum += count * insideMs / SLOT_MS;
  }
  return toMs > fromMs ? sum * 8 / 1000 / (toMs - fromMs) : 0;
}

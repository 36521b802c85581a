// Which congestion control a path gets: cubic, unless it loses packets although its queue is empty. Pure.

/** Share of segments sent again from which bbr does better than cubic, and until which it stays. */
const LOSSY = 0.005, LOSSLESS = 0.001;
/** Beyond this a queue stands on the path, and what is lost is lost by being full. */
const QUEUE_FACTOR = 1.5, QUEUE_MS = 15;

/** What is known of a path's losses. */
export interface Losses {
  /** Share of segments that the line loses by itself; undefined when too few were sent, or nobody can tell. */
  lineLoss?: number;
  rttMs?: number;
  minRttMs?: number;
}

/** The congestion control for the next subflows of a path that has `current`. */
export function chooseCongestion(current: string, { lineLoss, rttMs, minRttMs }: Losses): string {
  if (lineLoss === undefined || rttMs === undefined || minRttMs === undefined) return current;
  if (lineLoss <= LOSSLESS) return "cubic";
  const queued = rttMs > minRttMs * QUEUE_FACTOR + QUEUE_MS;
  return lineLoss >= LOSSY && !queued ? "bbr" : current;
}

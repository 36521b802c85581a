// What several servers say over several links together, so that no single server and no single link can set the clock
// (the intersection of RFC 5905 section 11.2.1, with a majority asked of servers and of links). Pure.
import type { Phrase } from "@otb/plugin";
import type { Reading } from "./ntp.ts";
import { words } from "./texts/mod.ts";

/** Sums of large and small numbers are not exact. */
const ROUNDING_MS = 0.01;

/** What one server said over one link. */
export interface Sample extends Reading {
  server: string;
  link: string;
}

/** What they agree on. */
export interface Agreement {
  kind: "agreed";
  offsetMs: number;
  errorMs: number;
  /** Who agreed. */
  servers: string[];
  links: string[];
}

/** What came of asking. */
export type Opinion = Agreement | { kind: "silent" } | { kind: "disagree"; reason: Phrase };

/**
 * What most servers and most links say: each server's own time is what most links bring of it, the time what most of
 * these agree on. So a minority of servers may lie, and a minority of links at the same time.
 *
 * @param asked how many servers were asked: of several, at least two must agree
 */
export function agree(samples: Sample[], asked: number): Opinion {
  if (samples.length === 0) return { kind: "silent" };
  const byServer = [...Map.groupBy(samples, ({ server }) => server)];
  if (asked > 1 && byServer.length < 2) return { kind: "disagree", reason: words.phrase("one-server") };
  const told = byServer.flatMap(([server, own]) => {
    const range = most(own);
    return range ? [{ server, ...range }] : [];
  });
  const range = most(told, byServer.length);
  if (!range) {
    const reason = words.phrase(told.length * 2 > byServer.length ? "differ" : "links-differ");
    return { kind: "disagree", reason };
  }
  const agreeing = (readings: Reading[]) =>
    readings.filter((reading) => allows(reading, range.offsetMs)).length;
  return {
    kind: "agreed",
    ...range,
    servers: told.filter((one) => allows(one, range.offsetMs)).map(({ server }) => server).sort(),
    links: [...Map.groupBy(samples, ({ link }) => link)]
      .filter(([, own]) => agreeing(own) * 2 > own.length).map(([link]) => link).sort(),
  };
}

/** What more than half of the readings allow (of `all`, where some could not be had); undefined when there is no such time. */
function most(readings: Reading[], all = readings.length): Reading | undefined {
  if (readings.length === 0) return undefined;
  const [low, high] = intersection(readings);
  const offsetMs = (low + high) / 2;
  const inside = readings.filter((reading) => allows(reading, offsetMs)).length;
  return inside * 2 > all ? { offsetMs, errorMs: (high - low) / 2 } : undefined;
}

function allows(reading: Reading, offsetMs: number): boolean {
  return Math.abs(reading.offsetMs - offsetMs) <= reading.errorMs + ROUNDING_MS;
}

/** The range of offsets that as many readings as possible allow. */
function intersection(readings: Reading[]): [low: number, high: number] {
  const edges = readings.flatMap(({ offsetMs, errorMs }) => [
    { at: offsetMs - errorMs, opens: true },
    { at: offsetMs + errorMs, opens: false },
  ]).sort((a, b) => a.at - b.at || Number(b.opens) - Number(a.opens));
  let open = 0, most = 0;
  let best: [number, number] = [0, 0];
  edges.forEach(({ at, opens }, index) => {
    open += opens ? 1 : -1;
    if (open <= most) return;
    most = open;
    best = [at, edges[index + 1]!.at];
  });
  return best;
}

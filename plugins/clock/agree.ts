// What several servers say over several links together, so that no single server and no single link can set the clock
// (the intersection of RFC 5905 section 11.2.1, with a majority asked of servers and of links). Pure.
import type { Reading } from "./ntp.ts";

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
export type Opinion = Agreement | { kind: "silent" } | { kind: "disagree"; reason: string };

/**
 * What most servers and most links say.
 *
 * @param asked how many servers were asked: of several, at least two must agree
 */
export function agree(samples: Sample[], asked: number): Opinion {
  if (samples.length === 0) return { kind: "silent" };
  const [low, high] = intersection(samples);
  const middle = (low + high) / 2;
  const inside = (sample: Sample) => Math.abs(sample.offsetMs - middle) <= sample.errorMs + ROUNDING_MS;
  const servers = convinced(samples, ({ server }) => server, inside);
  const links = convinced(samples, ({ link }) => link, inside);
  if (asked > 1 && servers.all < 2) return { kind: "disagree", reason: "only one server answers" };
  if (servers.yes.length * 2 <= servers.all) {
    return { kind: "disagree", reason: "the servers tell different times" };
  }
  if (links.yes.length * 2 <= links.all) {
    return { kind: "disagree", reason: "what servers say differs from link to link" };
  }
  return {
    kind: "agreed",
    offsetMs: middle,
    errorMs: (high - low) / 2,
    servers: servers.yes,
    links: links.yes,
  };
}

/** The range of offsets that most samples allow. */
function intersection(samples: Sample[]): [low: number, high: number] {
  const edges = samples.flatMap(({ offsetMs, errorMs }) => [
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

/** Those of whom more than half of the samples are inside. */
function convinced(samples: Sample[], key: (sample: Sample) => string, inside: (sample: Sample) => boolean) {
  const groups = Map.groupBy(samples, key);
  const yes = [...groups].filter(([, group]) => group.filter(inside).length * 2 > group.length)
    .map(([name]) => name).sort();
  return { yes, all: groups.size };
}

// Links cut silently in turn under one connection: how long nothing came, and when a link that is back carries its share.
import { setTimeout as sleep } from "node:timers/promises";
import { median, round } from "./measure.ts";
import type { World } from "../worlds/world.ts";
import { carriesAfter, type Figures, figures, longestWithin, type Sample } from "./failover_figures.ts";
import { begin, type Flowed, type FlowKind } from "./failover_flows.ts";

/** How long a link is out, and in again before the next cut. */
const OUT_MS = 3_000, IN_MS = 5_000;
/** A link's share, of its rate, and how long its return may take. */
const SHARE = 0.8, BAR_RETURN_MS = 2_000;
/** The longest gap's 95th percentile; a line of a session goes both ways. */
export const BAR_GAP_MS: { [kind in FlowKind]: number } = { download: 300, upload: 500, session: 500 };
/** Before a cut it is seen for so long what the link carries; nothing that belongs to the cut began before. */
const BEFORE_MS = 600;
/** Each link is cut so often a round. */
const CUTS_EACH = 3;
const POLL_MS = 100;
/** What a cut may take beyond that. */
const SPARE_MS = 500;
/** Until all links carry the connection. */
const BEGIN_S = 20;

/** What was seen of one kind of connection; `returnMs` is missing where nothing fills a link. */
export interface CutsResult {
  kind: FlowKind;
  cuts: number;
  gapMs: Figures;
  /** The same for each link. */
  byLink: { [link: string]: Figures };
  /** The longest gap from the return on. */
  afterReturnMs: Figures;
  /** Until the link held most of its rate; as long as was looked at where it never did. */
  returnMs?: Figures;
  /** What the links carried of their rates just before they were cut, median. */
  beforeShare?: number;
  broken?: string;
  barMs: number;
  pass: boolean;
}

interface Cut {
  link: string;
  cutMs: number;
  backMs: number;
  overMs: number;
  returnMs?: number;
  /** Of the link's rate. */
  beforeShare: number;
}

/** Cuts each link in turn. */
export async function cutsUnder(world: World, kind: FlowKind, rounds: number): Promise<CutsResult> {
  const links = world.lab.links.map((link) => ({ ...link }));
  const count = CUTS_EACH * links.length * rounds;
  const flow = begin(world, kind, BEGIN_S + count * (BEFORE_MS + OUT_MS + IN_MS + SPARE_MS) / 1000);
  const cuts: Cut[] = [];
  let flowed;
  try {
    await flow.isFlowing;
    for (let index = 0; index < count; index++) {
      const link = links[index % links.length]!;
      cuts.push(await cut(world, kind, link.name, kind === "upload" ? link.upMbps : link.downMbps));
      console.error(`${kind}: cut ${index + 1} of ${count}, ${link.name}`);
    }
  } finally {
    flowed = await flow.end(cuts.at(-1)?.overMs ?? 0);
  }
  return result(kind, cuts, flowed);
}

async function cut(world: World, kind: FlowKind, link: string, rateMbps: number): Promise<Cut> {
  const carried = async () => {
    const { up, down } = (await world.lab.counters()).find((counters) => counters.link === link)!;
    return kind === "upload" ? up.bytes : down.bytes;
  };
  const [earlyMs, early] = [now(), await carried()];
  await sleep(BEFORE_MS);
  const cutMs = now();
  const beforeShare = (await carried() - early) * 8 / 1000 / (cutMs - earlyMs) / rateMbps;
  await world.lab.cut(link);
  await sleep(OUT_MS);
  const backMs = now();
  const samples: Sample[] = [{ atMs: backMs, bytes: await carried() }];
  await world.lab.restore(link);
  while (now() < backMs + IN_MS) {
    await sleep(POLL_MS);
    samples.push({ atMs: now(), bytes: await carried() });
  }
  const returnMs = carriesAfter(samples, SHARE * rateMbps);
  return { link, cutMs, backMs, overMs: now(), beforeShare, ...(returnMs !== undefined && { returnMs }) };
}

function result(
  kind: FlowKind,
  cuts: Cut[],
  { gaps, broken }: Flowed,
): CutsResult {
  const out = (some: Cut[]) => figures(some.map(({ cutMs, backMs }) => longestWithin(gaps, cutMs, backMs)));
  const gapMs = out(cuts);
  const afterReturnMs = figures(cuts.map(({ backMs, overMs }) => longestWithin(gaps, backMs, overMs)));
  const returnMs = kind === "session"
    ? undefined
    : figures(cuts.map(({ backMs, overMs, returnMs }) => returnMs ?? overMs - backMs));
  const barMs = BAR_GAP_MS[kind];
  return {
    kind,
    cuts: cuts.length,
    gapMs,
    byLink: Object.fromEntries(
      Map.groupBy(cuts, ({ link }) => link).entries().map(([link, some]) => [link, out(some)]),
    ),
    afterReturnMs,
    ...(returnMs && { returnMs, beforeShare: round(median(cuts.map(({ beforeShare }) => beforeShare))) }),
    ...(broken !== undefined && { broken }),
    barMs,
    pass: broken === undefined && gapMs.p95 <= barMs && afterReturnMs.p95 <= barMs &&
      (returnMs?.p95 ?? 0) <= BAR_RETURN_MS,
  };
}

/** The result as lines for a person. */
export function cutsRows(
  { kind, cuts, gapMs, byLink, afterReturnMs, returnMs, beforeShare, broken, barMs }: CutsResult,
): string[][] {
  const row = (title: string, figures: Figures, bar: string) => [
    title,
    ...[figures.median, figures.p95, figures.most].map((ms) => `${ms} ms`),
    bar,
  ];
  return [
    [`${kind}, ${cuts} cuts: ${broken ?? "whole"}`, "median", "95 %", "most", "bar (95 %)"],
    row("  nothing came when a link was cut", gapMs, `${barMs} ms`),
    ...Object.entries(byLink).map(([link, figures]) => row(`    ${link}`, figures, "")),
    row("  and when it was back", afterReturnMs, `${barMs} ms`),
    ...(returnMs
      ? [
        row(`  it carried ${SHARE * 100} % of its rate after`, returnMs, `${BAR_RETURN_MS} ms`),
        ["  and before the cut, of its rate", String(beforeShare)],
      ]
      : []),
  ];
}

function now(): number {
  return performance.timeOrigin + performance.now();
}

// `otb bench stall`: a link is cut silently under a download, again and again: how long nothing comes, and when it carries again.
import type { Lab } from "../lab/lab.ts";
import { links, median, round } from "../measure.ts";
import { World } from "../world.ts";

/** The bars: reliability of links, 95th percentile of the stall, and the link in use again. */
const BAR_STALL_MS = 500, BAR_RETURN_MS = 5_000;
/** Cuts a round; how long a link is out, and in again before the next cut. */
const CUTS = 10, OUT_MS = 3_000, IN_MS = 4_000;
/** A link carries again when this much came over it, bytes. */
const CARRIES = 100_000;
const POLL_MS = 50;

/** Milliseconds; `afterReturn` is the longest time without a byte while a link comes back. */
export interface StallResult {
  cuts: number;
  stallMs: { median: number; p95: number; most: number };
  afterReturnMs: { median: number; p95: number; most: number };
  returnMs: { median: number; p95: number; most: number };
  ofBar: number;
  wrongBytes: number;
  pass: boolean;
}

/** Cuts two links in turn, `rounds` times ten. */
export async function run({ rounds }: { rounds: number }): Promise<StallResult> {
  await using world = await World.up(`stall${Deno.pid}`, { links: links("30/10/10", "30/10/20") });
  const stalls: { atMs: number; stallMs: number }[] = [];
  const cuts: { stallMs: number; afterReturnMs: number; returnMs: number }[] = [];
  const bytes = 60e6 / 8 * (CUTS * rounds + 2) * (OUT_MS + IN_MS + 2_000) / 1000;
  const running = world.startTransfer("device1", { bytes: Math.round(bytes) });
  const reader = running.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "", ended: { checksumOk?: boolean; error?: string } | undefined;
  const reading = (async () => {
    for (let read = await reader.read(); !read.done; read = await reader.read()) {
      const lines = (rest + read.value).split("\n");
      rest = lines.pop()!;
      for (const line of lines) {
        const said = JSON.parse(line);
        if ("tMs" in said) stalls.push({ atMs: performance.now(), stallMs: said.stallMs });
        else ended = said;
      }
    }
  })();
  const longestSince = (atMs: number) =>
    Math.max(0, ...stalls.filter((stall) => stall.atMs >= atMs).map(({ stallMs }) => stallMs));
  try {
    await world.box.until(({ links }) => links.every(({ path }) => (path?.rxBitsPerSecond ?? 0) > 5e6));
    for (let cut = 0; cut < CUTS * rounds && !ended; cut++) {
      const link = world.lab.links[cut % 2]!.name;
      const cutMs = performance.now();
      await world.lab.cut(link);
      await sleep(OUT_MS);
      const stallMs = longestSince(cutMs);
      const before = await carried(world.lab, link);
      const backMs = performance.now();
      await world.lab.restore(link);
      while (await carried(world.lab, link) - before < CARRIES && performance.now() - backMs < 30_000) {
        await sleep(POLL_MS);
      }
      const returnMs = performance.now() - backMs;
      await sleep(IN_MS);
      cuts.push({ stallMs, afterReturnMs: longestSince(backMs), returnMs });
    }
  } finally {
    if (!ended) running.kill("SIGTERM");
    await reading;
    await running.status;
  }
  const figures = (pick: (cut: typeof cuts[number]) => number) => {
    const values = cuts.map(pick).sort((a, b) => a - b);
    return {
      median: round(median(values), 0),
      p95: round(values[Math.ceil(values.length * 0.95) - 1]!, 0),
      most: round(values.at(-1)!, 0),
    };
  };
  const [stallMs, afterReturnMs, returnMs] = [
    figures(({ stallMs }) => stallMs),
    figures(({ afterReturnMs }) => afterReturnMs),
    figures(({ returnMs }) => returnMs),
  ];
  return {
    cuts: cuts.length,
    ...{ stallMs, afterReturnMs, returnMs },
    ofBar: round(stallMs.p95 / BAR_STALL_MS),
    wrongBytes: ended?.error || ended?.checksumOk === false ? 1 : 0,
    pass: stallMs.p95 <= BAR_STALL_MS && returnMs.p95 <= BAR_RETURN_MS && !ended?.error,
  };
}

/** The result as lines for a person. */
export function rows({ cuts, stallMs, afterReturnMs, returnMs, ofBar }: StallResult): string[][] {
  const row = (title: string, figures: StallResult["stallMs"], bar: string) => [
    title,
    ...[figures.median, figures.p95, figures.most].map((ms) => `${ms} ms`),
    bar,
  ];
  return [
    [`${cuts} cuts`, "median", "95 %", "most", "bar (95 %)"],
    row("stall when a link is cut", stallMs, `${BAR_STALL_MS} ms (${ofBar} of it)`),
    row("stall when it returns", afterReturnMs, ""),
    row("in use again", returnMs, `${BAR_RETURN_MS} ms`),
  ];
}

async function carried(lab: Lab, link: string): Promise<number> {
  return (await lab.counters()).find((counters) => counters.link === link)!.down.bytes;
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

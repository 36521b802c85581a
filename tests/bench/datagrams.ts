// `otb bench datagrams`: QUIC and a constant rate of UDP through the tunnel over unequal links, against the same over each link
// alone, in turns; and how long nothing comes when a link is cut.
//
// What counts as carried is what the links carry for it: a packet through the tunnel is 76 bytes longer than without (IPv4 and
// UDP headers, the tunnel's own, AES-GCM's tag), and no tunnel can take that off a link. The share of the sum is therefore that
// of whole packets on the links; what is left for the application stands beside it.
import { setTimeout as sleep } from "node:timers/promises";
import { links, median, round } from "./measure.ts";
import { tunnelIsUp } from "../worlds/tunnel.ts";
import { World } from "../worlds/world.ts";

/** Link sets: down/up Mbit/s / one-way delay ms; named by rate / round trip. */
const CASES = [
  { name: "40/20 + 10/40", links: ["40/40/10", "10/10/20"] },
  { name: "40/20 + 40/40", links: ["40/40/10", "40/40/20"] },
  { name: "40/30 + 40/100", links: ["40/40/15", "40/40/50"] },
  { name: "40/20 + 4/40", links: ["40/40/10", "4/4/20"] },
  { name: "20/20 + 10/40 + 5/60", links: ["20/20/10", "10/10/20", "5/5/30"] },
];
/** Of the sum of the links alone; out of order, as the application sees it; without a datagram after a cut. */
const BARS = { ofSum: 0.92, reordered: 0.005, gapMs: 300 };
/** What the tunnel adds to each packet, bytes. */
const OVERHEAD = 76;
/** UDP payload of the constant flow, and its whole packet. */
const BYTES = 1_200, PACKET = BYTES + 28;
/** Of what the links carry, offered through the tunnel. */
const OFFERED = 0.95;
/** Of what the smaller of two halves carries, while links are cut. */
const CUT_OFFERED = 0.6;
const SKIP_SECONDS = 4, OUT_MS = 2_500, IN_MS = 5_000;

/** One way of asking, over one set of links; Mbit/s are the application's, medians. */
export interface DatagramsResult {
  name: string;
  traffic: "quic" | "constant";
  aloneMbps: number[];
  throughMbps: number;
  /** The same with the tunnel's bytes. */
  carriedMbps: number;
  ofSum: number;
  ofBest: number;
  reordered?: number;
  lost?: number;
  pass: boolean;
}

/** Longest times without a datagram, of cuts of each link in turn. */
export interface CutResult {
  name: string;
  cuts: number;
  medianGapMs: number;
  longestGapMs: number;
  pass: boolean;
}

interface Options {
  rounds: number;
  seconds: number;
  only?: string;
}

/** Measures every case; each round measures the links alone, then all together. */
export async function run(
  options: Options,
): Promise<{ bars: typeof BARS; results: DatagramsResult[]; cuts: CutResult[]; pass: boolean }> {
  const results: DatagramsResult[] = [], cuts: CutResult[] = [];
  for (const { name, links: words } of CASES) {
    if (options.only && !name.includes(options.only)) continue;
    await using world = await World.up(`dgram${Deno.pid}`, { links: links(...words) });
    await tunnelIsUp(world);
    results.push(await quic(world, name, options), await constant(world, name, options));
    cuts.push(await cut(world, name, options));
  }
  return { bars: BARS, results, cuts, pass: [...results, ...cuts].every(({ pass }) => pass) };
}

/** Rounds of one figure per link, then one through the tunnel. */
async function quic(world: World, name: string, { rounds, seconds }: Options): Promise<DatagramsResult> {
  const alone: number[][] = world.lab.links.map(() => []), through: number[] = [], packets: number[] = [];
  const transfer = { seconds: seconds + SKIP_SECONDS, skipSeconds: SKIP_SECONDS };
  for (let turn = 0; turn < rounds; turn++) {
    for (const [index, runs] of alone.entries()) {
      runs.push((await world.quic(`solo${index + 1}`, transfer)).mbps);
    }
    const before = await counted(world);
    through.push((await world.quic("device1", transfer)).mbps);
    const after = await counted(world);
    packets.push((after.bytes - before.bytes) / (after.packets - before.packets) - OVERHEAD);
  }
  return judged(name, "quic", alone, through, median(packets));
}

async function constant(world: World, name: string, { rounds, seconds }: Options): Promise<DatagramsResult> {
  const alone: number[][] = world.lab.links.map(() => []), through: number[] = [];
  const reordered: number[] = [], lost: number[] = [];
  const flow = (mbps: number, role: string) =>
    world.datagrams(role, {
      down: { mbps, bytes: BYTES },
      seconds: seconds + SKIP_SECONDS,
      skipSeconds: SKIP_SECONDS,
    }).then(({ down }) => down!);
  for (let turn = 0; turn < rounds; turn++) {
    for (const [index, { downMbps }] of world.lab.links.entries()) {
      // More than fits, to see what the link carries at most.
      alone[index]!.push((await flow(downMbps * 1.02, `solo${index + 1}`)).mbps);
    }
    const sum = alone.reduce((sum, runs) => sum + median(runs), 0);
    const found = await flow(sum * OFFERED * PACKET / (PACKET + OVERHEAD), "device1");
    through.push(found.mbps);
    reordered.push(found.reorderedShare);
    lost.push(found.lostShare);
  }
  const result = judged(name, "constant", alone, through, PACKET);
  const share = round(median(reordered), 5);
  return {
    ...result,
    reordered: share,
    lost: round(median(lost), 5),
    pass: result.pass && share < BARS.reordered,
  };
}

/** @param packetBytes mean length of the application's IP packets */
function judged(
  name: string,
  traffic: DatagramsResult["traffic"],
  alone: number[][],
  through: number[],
  packetBytes: number,
): DatagramsResult {
  const aloneMbps = alone.map((runs) => round(median(runs)));
  const sum = aloneMbps.reduce((sum, mbps) => sum + mbps, 0);
  const carriedMbps = median(through) * (packetBytes + OVERHEAD) / packetBytes;
  const ofSum = round(carriedMbps / sum, 3), ofBest = round(carriedMbps / Math.max(...aloneMbps), 3);
  return {
    ...{ name, traffic, aloneMbps, throughMbps: round(median(through)), carriedMbps: round(carriedMbps) },
    ...{ ofSum, ofBest, pass: ofSum >= BARS.ofSum && ofBest >= 1 },
  };
}

/** Cuts each link in turn under a constant flow that the others can carry. */
async function cut(world: World, name: string, { rounds }: Options): Promise<CutResult> {
  const rates = world.lab.links.map(({ downMbps }) => downMbps);
  const left = rates.reduce((sum, mbps) => sum + mbps, 0) - Math.max(...rates);
  const gaps: { atMs: number; gapMs: number }[] = [];
  const cuts: number[] = [];
  const seconds = 5 + rates.length * rounds * (OUT_MS + IN_MS + 500) / 1000;
  const running = world.datagrams("device1", {
    down: { mbps: left * CUT_OFFERED, bytes: BYTES },
    seconds,
    onProgress: ({ gapMs }) => gaps.push({ atMs: performance.now(), gapMs }),
  });
  // Begun, or failed.
  await Promise.race([running, new Promise<void>((resolve) => setTimeout(resolve, 4_000))]);
  for (let turn = 0; turn < rounds * rates.length; turn++) {
    const link = world.lab.links[turn % rates.length]!.name;
    const cutMs = performance.now();
    await world.lab.cut(link);
    await sleep(OUT_MS);
    cuts.push(Math.max(0, ...gaps.filter(({ atMs }) => atMs >= cutMs).map(({ gapMs }) => gapMs)));
    await world.lab.restore(link);
    await sleep(IN_MS);
  }
  await running;
  const longestGapMs = Math.max(...cuts);
  return {
    ...{ name, cuts: cuts.length, medianGapMs: median(cuts), longestGapMs },
    pass: longestGapMs <= BARS.gapMs,
  };
}

/** What the links have carried down: packets as on a wire, where the device gets several in one. */
async function counted({ lab }: World): Promise<{ bytes: number; packets: number }> {
  const sum = { bytes: 0, packets: 0 };
  for (const { down } of await lab.counters()) {
    sum.bytes += down.bytes;
    sum.packets += down.packets;
  }
  return sum;
}

/** The result as lines for a person. */
export function rows({ results, cuts, bars }: Awaited<ReturnType<typeof run>>): string[][] {
  const percent = (share: number, digits = 1) => `${(share * 100).toFixed(digits)} %`;
  return [
    ["Mbit/s / ms", "alone", "through the tunnel", "with its bytes", "of the sum", "out of order", "bars"],
    ...results.map((result) => [
      `${result.name}: ${result.traffic === "quic" ? "QUIC download" : "constant UDP, 95 % offered"}`,
      result.aloneMbps.map((mbps) => mbps.toFixed(1)).join(" + "),
      result.throughMbps.toFixed(1),
      result.carriedMbps.toFixed(1),
      percent(result.ofSum),
      result.reordered === undefined ? "" : percent(result.reordered, 3),
      result.pass ? "hold" : "missed",
    ]),
    [`bars: ${percent(bars.ofSum, 0)} of the sum, at least the best link, ${
      percent(bars.reordered)
    } out of order`],
    ...cuts.map((result) => [
      `${result.name}: ${result.cuts} cuts, nothing came for`,
      `${result.medianGapMs} ms (median)`,
      `${result.longestGapMs} ms (longest)`,
      "",
      `bar ${bars.gapMs} ms`,
      "",
      result.pass ? "holds" : "missed",
    ]),
  ];
}

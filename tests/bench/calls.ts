// `otb bench calls`: calls between a LAN device and the Internet while every link is full both ways, with and without qos in the
// same run; and what a link that is cut costs a call.
import type { StatusReport } from "../../core/client/mod.ts";
import type { DatagramFlow, Datagrams } from "../lab/traffic.ts";
import { links, median, round } from "./measure.ts";
import { World } from "../worlds/world.ts";
import { type Codec, G711, meanOpinionScore, OPUS, rating } from "./emodel.ts";

/** The bars: delay added at the 95th percentile, loss, packets lost by a cut link with and without duplicates. */
const BAR_ADDED_MS = 30, BAR_LOSS = 0.005, BAR_CUT_TWICE = 5, BAR_CUT_ONCE = 15;
/** Modems hold more than a link needs: here 70 to 420 ms of it. One link loses packets. */
const LINKS = links("30/10/10", "20/5/20/1").map((link) => ({ ...link, queueBytes: 262_144 }));
/** Connections that fill the links, each way. */
const DOWNLOADS = 4, UPLOADS = 4;
/** The load and the rates find themselves in this time; calls count after it. */
const SETTLE_SECONDS = 15;
const CUT_AFTER_MS = 5_000, CUT_SECONDS = 12;
const EXPEDITED = 0xb8;
/** Real-time, and too much for two paths. */
const VIDEO: DatagramFlow = { packetsPerSecond: 50, bytes: 1_000, tos: EXPEDITED };

/** One direction of one codec's calls. */
interface Heard {
  codec: string;
  direction: "up" | "down";
  /** Beyond what it takes over idle links, at the 95th percentile. */
  addedMs: number;
  lossShare: number;
  rating: number;
  score: number;
}

export interface CallsResult {
  withQos: Heard[];
  without: Heard[];
  /** Mbit/s of all connections together, down and up. */
  loadMbps: { withQos: number[]; without: number[] };
  /** Most packets lost by one cut. */
  cut: { twice: number; once: number };
  pass: boolean;
}

/** Alternates runs with and without. */
export async function run({ rounds, seconds }: { rounds: number; seconds: number }): Promise<CallsResult> {
  await using world = await World.up(`calls${Deno.pid}`, { links: LINKS });
  await world.box.until(isTunnelUp);
  const idle = await calls(world, 5, 1);
  const runs = { withQos: [] as Run[], without: [] as Run[] };
  for (let turn = 0; turn < rounds; turn++) {
    for (const kind of turn % 2 === 0 ? ["without", "withQos"] as const : ["withQos", "without"] as const) {
      await world.box.otb(["config", "set", `qos.autorate=${kind === "withQos"}`, "--yes"]);
      await world.box.until(isTunnelUp);
      runs[kind].push(await loaded(world, seconds));
    }
  }
  const withQos = heard(runs.withQos, idle), without = heard(runs.without, idle);
  const cut = await cuts(world);
  const rates = (all: Run[]) => [0, 1].map((way) => round(median(all.map(({ mbps }) => mbps[way]!)), 1));
  return {
    withQos,
    without,
    loadMbps: { withQos: rates(runs.withQos), without: rates(runs.without) },
    cut,
    pass: withQos.every(({ addedMs, lossShare }) => addedMs <= BAR_ADDED_MS && lossShare <= BAR_LOSS) &&
      cut.twice <= BAR_CUT_TWICE && cut.once <= BAR_CUT_ONCE,
  };
}

/** The result as lines for a person. */
export function rows({ withQos, without, loadMbps, cut }: CallsResult): string[][] {
  const row = (title: string, { codec, direction, addedMs, lossShare, rating, score }: Heard) => [
    `${codec} ${direction}, ${title}`,
    `${addedMs} ms`,
    `${round(lossShare * 100)} %`,
    String(round(rating, 0)),
    score.toFixed(2),
  ];
  return [
    ["calls over full links", "added (95 %)", "lost", "R", "MOS"],
    ...withQos.flatMap((one, index) => [row("with", one), row("without", without[index]!)]),
    ["bar", `${BAR_ADDED_MS} ms`, `${BAR_LOSS * 100} %`],
    [`load, Mbit/s down and up, with`, ...loadMbps.withQos.map(String)],
    [`load, Mbit/s down and up, without`, ...loadMbps.without.map(String)],
    [`lost by a cut, on two paths (bar ${BAR_CUT_TWICE})`, String(cut.twice)],
    [`lost by a cut, on one (bar ${BAR_CUT_ONCE})`, String(cut.once)],
  ];
}

type Calls = { codec: Codec; up: Datagrams; down: Datagrams }[];

interface Run {
  calls: Calls;
  mbps: number[];
}

/** A call of each codec, both ways at once. */
async function calls(world: World, seconds: number, skipSeconds: number): Promise<Calls> {
  return await Promise.all([G711, OPUS].map(async (codec) => {
    const { bytes, packetsPerSecond } = codec;
    const flow = { bytes, packetsPerSecond, tos: EXPEDITED };
    const { up, down } = await world.datagrams("device1", { up: flow, down: flow, seconds, skipSeconds });
    return { codec, up: up!, down: down! };
  }));
}

/** The same while every link is full. */
async function loaded(world: World, seconds: number): Promise<Run> {
  const transfer = { seconds: seconds + SETTLE_SECONDS + 3, skipSeconds: SETTLE_SECONDS };
  const some = (count: number, upload: boolean) =>
    Promise.all(Array.from({ length: count }, () => world.transfer("device1", { ...transfer, upload })));
  const [downloads, uploads, heard] = await Promise.all([
    some(DOWNLOADS, false),
    some(UPLOADS, true),
    calls(world, seconds + SETTLE_SECONDS, SETTLE_SECONDS),
  ]);
  return {
    calls: heard,
    mbps: [downloads, uploads].map((all) => all.reduce((sum, { mbps }) => sum + mbps, 0)),
  };
}

function heard(runs: Run[], idle: Calls): Heard[] {
  return idle.flatMap(({ codec, ...least }, index) =>
    (["up", "down"] as const).map((direction) => {
      const all = runs.map(({ calls }) => calls[index]![direction]);
      const lossShare = median(all.map((one) => one.lostShare));
      // The playout buffer of the one who hears waits for 99 of 100 packets.
      const r = rating({ networkMs: median(all.map(({ delayMs }) => delayMs.p99)), lossShare }, codec);
      return {
        codec: codec.name,
        direction,
        addedMs: round(median(all.map(({ delayMs }) => delayMs.p95)) - least[direction].delayMs.median, 1),
        lossShare: round(lossShare, 4),
        rating: round(r, 1),
        score: round(meanOpinionScore(r)),
      };
    })
  );
}

/** Each link is cut once under a call on two paths and a larger one on one path. */
async function cuts(world: World): Promise<CallsResult["cut"]> {
  await world.lab.set(LINKS[1]!.name, { lossPercent: 0 });
  const most = { twice: 0, once: 0 };
  for (const { name } of LINKS) {
    const call: DatagramFlow = { bytes: G711.bytes, packetsPerSecond: G711.packetsPerSecond, tos: EXPEDITED };
    const both = (flow: DatagramFlow) =>
      world.datagrams("device1", { up: flow, down: flow, seconds: CUT_SECONDS });
    const running = Promise.all([both(call), both(VIDEO)]);
    await new Promise((resolve) => setTimeout(resolve, CUT_AFTER_MS));
    await world.lab.cut(name);
    const [twice, once] = await running;
    most.twice = Math.max(most.twice, twice.up!.lost, twice.down!.lost);
    most.once = Math.max(most.once, once.up!.lost, once.down!.lost);
    await world.lab.restore(name);
    await world.box.until(isTunnelUp);
  }
  return most;
}

/** Every path of the tunnel carries. */
function isTunnelUp({ plugins }: StatusReport): boolean {
  const { paths } = plugins.find(({ name }) => name === "udp-tunnel")?.status as {
    paths?: { state: string }[];
  };
  return paths?.length === LINKS.length && paths.every(({ state }) => state === "up");
}

// `otb bench tunnel`: one encrypted tunnel over one path, both ends on this machine and a wire between them, against glorytun and
// against TUN devices without a tunnel's work, in turns.
import { median, round } from "../measure.ts";
import { SERVER_ADDRESS } from "../world.ts";
import { glorytunPath, type Kind, raise } from "./contestants.ts";
import { Wire } from "./wire.ts";

/** At least so many times glorytun, and so much of a plain forward, which is 4 Gbit/s where that does 25. */
const BARS = { glorytun: 4, forward: 0.16 };
const LABELS: Record<Kind, string> = {
  otb: "otb's tunnel",
  glorytun: "glorytun",
  loop: "TUN and UDP, in the clear",
  forward: "TUN forward with offload",
};
/** Rates that glorytun is tried with, as it wants to be told one: it loses more the further that is from what it can do. */
const GLORYTUN_RATES = [500, 1_000, 2_000, 10_000];
const FLOWS = ["tcpUp", "tcpDown", "udpDown"] as const;
type Flow = (typeof FLOWS)[number];
/** UDP payload: whole in every tunnel here. */
const UDP_BYTES = 1_300;
const TICKS_PER_SECOND = 100;

/** Gbit/s that arrived, and what the tunnel's processes of both ends together took for them. */
export interface TunnelFigures {
  gbps: number;
  cpuSecondsPerGigabyte: number;
}

/** Medians; `glorytun` is absent where OTB_GLORYTUN does not say where it is. */
export interface TunnelResult {
  figures: Partial<Record<Kind, Record<Flow, TunnelFigures>>>;
  glorytunRateMbps?: number;
  ratios: { glorytun?: number; loop: number; forward: number };
  bars: typeof BARS;
  pass: boolean;
}

/** Alternates the tunnels in every round. */
export async function run(
  options: { rounds: number; seconds: number; only?: string },
): Promise<TunnelResult> {
  await using wire = await Wire.up();
  const seconds = Math.min(options.seconds, 4);
  const server = wire.spawn("server", ["iperf3", "-s"], { stdin: "null", stdout: "null", stderr: "null" });
  try {
    const kinds = (["otb", "glorytun", "loop", "forward"] as const)
      .filter((kind) => kind !== "glorytun" || glorytunPath())
      .filter((kind) => !options.only || kind.includes(options.only));
    const rate = kinds.includes("glorytun") ? await bestRate(wire) : 0;
    const found: Partial<Record<Kind, Record<Flow, TunnelFigures[]>>> = {};
    for (let turn = 0; turn < options.rounds; turn++) {
      for (const kind of kinds) {
        const all = found[kind] ??= { tcpUp: [], tcpDown: [], udpDown: [] };
        const standing = await raise(wire, kind, rate);
        try {
          for (const flow of FLOWS) all[flow].push(await measure(wire, standing.pids, flow, seconds));
        } finally {
          await standing.stop();
        }
      }
    }
    return judged(found, rate);
  } finally {
    server.kill("SIGKILL");
    await server.status;
  }
}

function judged(found: Partial<Record<Kind, Record<Flow, TunnelFigures[]>>>, rate: number): TunnelResult {
  const figures = Object.fromEntries(
    Object.entries(found).map(([kind, flows]) => [
      kind,
      Object.fromEntries(FLOWS.map((flow) => [flow, {
        gbps: round(median(flows[flow].map(({ gbps }) => gbps))),
        cpuSecondsPerGigabyte: round(median(flows[flow].map((one) => one.cpuSecondsPerGigabyte))),
      }])),
    ]),
  ) as TunnelResult["figures"];
  // TCP, the slower direction of each.
  const tcp = (kind: Kind) => {
    const flows = figures[kind];
    return flows ? Math.min(flows.tcpUp.gbps, flows.tcpDown.gbps) : NaN;
  };
  const ratio = (kind: Kind) => round(tcp("otb") / tcp(kind), 3);
  const hasGlorytun = figures.glorytun !== undefined;
  const ratios = {
    ...(hasGlorytun && { glorytun: ratio("glorytun") }),
    loop: ratio("loop"),
    forward: ratio("forward"),
  };
  return {
    figures,
    ...(hasGlorytun && { glorytunRateMbps: rate }),
    ratios,
    bars: BARS,
    pass: ratios.forward >= BARS.forward && (!hasGlorytun || ratios.glorytun! >= BARS.glorytun),
  };
}

/** The rate with which glorytun carries most, Mbit/s. */
async function bestRate(wire: Wire): Promise<number> {
  let best = { rate: GLORYTUN_RATES[0]!, gbps: 0 };
  for (const rate of GLORYTUN_RATES) {
    const standing = await raise(wire, "glorytun", rate);
    try {
      const { gbps } = await measure(wire, standing.pids, "tcpUp", 2);
      if (gbps > best.gbps) best = { rate, gbps };
    } finally {
      await standing.stop();
    }
  }
  return best.rate;
}

/** One transfer by iperf3 between the box and the server, its first second left out. */
async function measure(wire: Wire, pids: number[], flow: Flow, seconds: number): Promise<TunnelFigures> {
  const before = cpuSeconds(pids);
  const udp = ["-u", "-b", "0", "-l", String(UDP_BYTES)];
  const text = await wire.run("box", [
    ...["iperf3", "-J", "-c", SERVER_ADDRESS, "-t", String(seconds), "-O", "1"],
    ...(flow === "udpDown" ? udp : []),
    ...(flow === "tcpUp" ? [] : ["-R"]),
  ]);
  const cpu = cpuSeconds(pids) - before;
  const { end, error } = JSON.parse(text);
  if (error) throw new Error(`iperf3 of ${flow}: ${error}`);
  const received = flow === "udpDown" ? end.sum : end.sum_received;
  const lost = flow === "udpDown" ? (end.sum.lost_percent ?? 0) / 100 : 0;
  const gbps = received.bits_per_second * (1 - lost) / 1e9;
  // The processes worked in the second that is left out as well, at about the same rate.
  return { gbps, cpuSecondsPerGigabyte: cpu / (gbps / 8 * (seconds + 1)) };
}

/** User and system time of processes so far (proc_pid_stat(5), fields 14 and 15). */
function cpuSeconds(pids: number[]): number {
  return pids.reduce((sum, pid) => {
    const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return sum + (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  }, 0);
}

/** The result as lines for a person. */
export function rows({ figures, glorytunRateMbps, ratios, bars }: TunnelResult): string[][] {
  const verdict = (ratio: number, bar: number) =>
    `${ratio}, bar ${bar}: ${ratio >= bar ? "holds" : "missed"}`;
  const kinds = Object.keys(LABELS) as Kind[];
  return [
    ["one path, Gbit/s (CPU s/GB)", "TCP up", "TCP down", "UDP down"],
    ...kinds.filter((kind) => figures[kind]).map((kind) => [
      kind === "glorytun" ? `${LABELS[kind]}, told ${glorytunRateMbps} Mbit/s` : LABELS[kind],
      ...FLOWS.map((flow) => {
        const { gbps, cpuSecondsPerGigabyte } = figures[kind]![flow];
        return `${gbps.toFixed(2)} (${cpuSecondsPerGigabyte.toFixed(2)})`;
      }),
    ]),
    ratios.glorytun === undefined
      ? ["against glorytun", "left out: OTB_GLORYTUN does not say where its program is"]
      : ["times glorytun", verdict(ratios.glorytun, bars.glorytun)],
    ["share of TUN and UDP in the clear", String(ratios.loop)],
    ["share of a TUN forward", verdict(ratios.forward, bars.forward)],
  ];
}

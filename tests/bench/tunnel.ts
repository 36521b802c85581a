// `otb bench tunnel`: one encrypted tunnel over one path, both ends on this machine and a wire between them, against
// wireguard-go, glorytun and TUN devices without a tunnel's work, in turns.
import { Traffic } from "../lab/traffic.ts";
import { median, round } from "./measure.ts";
import { SERVER_ADDRESS } from "../worlds/world.ts";
import { glorytunPath, type Kind, raise, wireguardPath } from "./contestants.ts";
import { Wire } from "./wire.ts";

/** At least so many times wireguard-go either way and glorytun, and so much of a plain forward, which is 4 Gbit/s where that does 25. */
const BARS = { wireguard: 1.2, glorytun: 4, forward: 0.16 };
const LABELS: Record<Kind, string> = {
  otb: "otb's tunnel",
  wireguard: "wireguard-go",
  glorytun: "glorytun",
  loop: "TUN and UDP, in the clear",
  forward: "TUN forward with offload",
};
/** Rates that glorytun is tried with, as it wants to be told one: it loses more the further that is from what it can do. */
const GLORYTUN_RATES = [500, 1_000, 2_000, 10_000];
const FLOWS = ["tcpUp", "tcpDown", "udpDown"] as const;
type Flow = (typeof FLOWS)[number];
/** Rates of UDP that each is tried with, Mbit/s. */
const UDP_OFFERS = [250, 500, 1_000, 2_000];
/** UDP payload: whole in every tunnel here. */
const UDP_BYTES = 1_300, UDP_BATCH = 16;
const TICKS_PER_SECOND = 100;

/** Gbit/s that arrived, and what the tunnel's processes of both ends together took for them. */
export interface TunnelFigures {
  gbps: number;
  cpuSecondsPerGigabyte: number;
}

/** Medians; `wireguard` and `glorytun` are absent where OTB_WIREGUARD_GO and OTB_GLORYTUN do not say where they are. */
export interface TunnelResult {
  figures: Partial<Record<Kind, Record<Flow, TunnelFigures>>>;
  glorytunRateMbps?: number;
  ratios: { wireguardUp?: number; wireguardDown?: number; glorytun?: number; loop: number; forward: number };
  bars: typeof BARS;
  pass: boolean;
}

/** Where it is measured, and with what. */
interface Place {
  wire: Wire;
  traffic: Traffic;
}

/** Alternates the tunnels in every round. */
export async function run(
  options: { rounds: number; seconds: number; only?: string },
): Promise<TunnelResult> {
  await using wire = await Wire.up();
  const seconds = Math.min(options.seconds, 4);
  const folder = await Deno.makeTempDir({ prefix: "otb" });
  const place = { wire, traffic: new Traffic(wire, SERVER_ADDRESS, folder) };
  const server = wire.spawn("server", ["iperf3", "-s"], { stdin: "null", stdout: "null", stderr: "null" });
  try {
    const kinds = (["otb", "wireguard", "glorytun", "loop", "forward"] as const)
      .filter((kind) => kind !== "glorytun" || glorytunPath())
      .filter((kind) => kind !== "wireguard" || wireguardPath())
      .filter((kind) => !options.only || kind.includes(options.only));
    const rate = kinds.includes("glorytun") ? await bestRate(place) : 0;
    const found: Partial<Record<Kind, Record<Flow, TunnelFigures[]>>> = {};
    const offers: Partial<Record<Kind, number>> = {};
    for (let turn = 0; turn < options.rounds; turn++) {
      for (const kind of kinds) {
        const all = found[kind] ??= { tcpUp: [], tcpDown: [], udpDown: [] };
        const standing = await raise(wire, kind, rate);
        try {
          const offer = offers[kind] ??= await bestOffer(place, standing.pids);
          for (const flow of FLOWS) all[flow].push(await measure(place, standing.pids, flow, seconds, offer));
        } finally {
          await standing.stop();
        }
      }
    }
    return judged(found, rate);
  } finally {
    server.kill("SIGKILL");
    await server.status;
    await place.traffic.stop();
    await Deno.remove(folder, { recursive: true });
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
  const hasGlorytun = figures.glorytun !== undefined, { otb, wireguard } = figures;
  const ofWireguard = (flow: Flow) => round((otb?.[flow].gbps ?? NaN) / wireguard![flow].gbps, 3);
  const ratios = {
    ...(wireguard && { wireguardUp: ofWireguard("tcpUp"), wireguardDown: ofWireguard("tcpDown") }),
    ...(hasGlorytun && { glorytun: ratio("glorytun") }),
    loop: ratio("loop"),
    forward: ratio("forward"),
  };
  return {
    figures,
    ...(hasGlorytun && { glorytunRateMbps: rate }),
    ratios,
    bars: BARS,
    pass: ratios.forward >= BARS.forward && (!hasGlorytun || ratios.glorytun! >= BARS.glorytun) &&
      (!wireguard || Math.min(ratios.wireguardUp!, ratios.wireguardDown!) >= BARS.wireguard),
  };
}

/** The rate with which glorytun carries most, Mbit/s. */
async function bestRate(place: Place): Promise<number> {
  let best = { rate: GLORYTUN_RATES[0]!, gbps: 0 };
  for (const rate of GLORYTUN_RATES) {
    const standing = await raise(place.wire, "glorytun", rate);
    try {
      const { gbps } = await measure(place, standing.pids, "tcpUp", 2, 0);
      if (gbps > best.gbps) best = { rate, gbps };
    } finally {
      await standing.stop();
    }
  }
  return best.rate;
}

/** The rate of UDP of which most arrives, Mbit/s: twice as much as a tunnel can do leaves it little time for what it could. */
async function bestOffer(place: Place, pids: number[]): Promise<number> {
  let best = { offer: 0, gbps: -1 };
  for (const offer of UDP_OFFERS) {
    const { gbps } = await measure(place, pids, "udpDown", 2, offer);
    if (gbps > best.gbps) best = { offer, gbps };
  }
  return best.offer;
}

/** One transfer between the box and the server, its first second left out. @param offer of UDP, Mbit/s */
async function measure(
  { wire, traffic }: Place,
  pids: number[],
  flow: Flow,
  seconds: number,
  offer: number,
): Promise<TunnelFigures> {
  const before = cpuSeconds(pids);
  const gbps = flow === "udpDown"
    // Not by iperf3, whose own connection would have to live beside what floods the tunnel.
    ? (await traffic.datagrams("box", {
      down: { mbps: offer, bytes: UDP_BYTES, batch: UDP_BATCH },
      seconds: seconds + 1,
      skipSeconds: 1,
    })).down!.mbps / 1000
    : await tcp(wire, flow, seconds);
  // The processes worked in the second that is left out as well, at about the same rate.
  return { gbps, cpuSecondsPerGigabyte: (cpuSeconds(pids) - before) / (gbps / 8 * (seconds + 1)) };
}

/** Gbit/s of one connection by iperf3. */
async function tcp(wire: Wire, flow: Flow, seconds: number): Promise<number> {
  const text = await wire.run("box", [
    ...["iperf3", "-J", "-c", SERVER_ADDRESS, "-t", String(seconds), "-O", "1"],
    ...(flow === "tcpUp" ? [] : ["-R"]),
  ]);
  const { end, error } = JSON.parse(text);
  if (error) throw new Error(`iperf3 of ${flow}: ${error}`);
  return end.sum_received.bits_per_second / 1e9;
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
    ratios.wireguardUp === undefined
      ? ["against wireguard-go", "left out: OTB_WIREGUARD_GO does not say where its program is"]
      : [
        "times wireguard-go",
        verdict(ratios.wireguardUp, bars.wireguard),
        verdict(ratios.wireguardDown!, bars.wireguard),
      ],
    ratios.glorytun === undefined
      ? ["against glorytun", "left out: OTB_GLORYTUN does not say where its program is"]
      : ["times glorytun", verdict(ratios.glorytun, bars.glorytun)],
    ["share of TUN and UDP in the clear", String(ratios.loop)],
    ["share of a TUN forward", verdict(ratios.forward, bars.forward)],
  ];
}

// `otb bench relay`: bytes through two encrypted hops, ours against shadowsocks-libev and shadowsocks-rust, alternating.
import { median, round } from "./measure.ts";
import { Bench, jsonLines, type Kind, SOCKS_PORT, TARGET_PORT } from "./hops.ts";

const KINDS: Kind[] = ["otb", "otb-striped", "shadowsocks-libev", "shadowsocks-rust", "otb-mptcp", "raw"];
const LABELS: Partial<Record<Kind, string>> = {
  otb: "otb, one plain connection",
  "otb-striped": "otb, striped over one link",
  "otb-mptcp": "otb, MPTCP between the hops",
  raw: "otb without encryption",
};
/** At least so many times the other, one stream; and at least equal to the better with 100; processor time a byte at most that share. */
const BARS = { libev: 2, rust: 1.3, hundred: 1, striped: 0.9, cpuOfLibev: 0.5, cpuOfRust: 0.8 };

/** What one implementation did with some streams. */
interface Figure {
  gbps: number;
  /** Of both hops' processes. */
  cpuSecondsPerGb: number;
}

/** Medians. */
export interface RelayResult {
  oneStreamGbps: Record<Kind, number>;
  hundredStreamsGbps: Record<Kind, number>;
  /** Processor seconds for a gigabyte through both hops, one stream. */
  cpuSecondsPerGb: Record<Kind, number>;
  ratios: Record<keyof typeof BARS | "ofRaw", number>;
  bars: typeof BARS;
  pass: boolean;
}

/** Alternates the implementations in every round. */
export async function run(options: { rounds: number; seconds: number }): Promise<RelayResult> {
  await using bench = await Bench.up();
  const figures: { [streams: number]: Record<Kind, Figure[]> } = { 1: empty(), 100: empty() };
  const seconds = Math.min(options.seconds, 4);
  for (let turn = 0; turn < options.rounds; turn++) {
    for (const kind of KINDS) {
      for (const streams of [1, 100] as const) {
        figures[streams]![kind].push(await measure(bench, kind, streams, seconds));
      }
    }
  }
  const medians = (streams: number, of: keyof Figure) =>
    Object.fromEntries(
      KINDS.map((kind) => [kind, round(median(figures[streams]![kind].map((figure) => figure[of])))]),
    ) as Record<Kind, number>;
  const one = medians(1, "gbps"), hundred = medians(100, "gbps"), cpu = medians(1, "cpuSecondsPerGb");
  const ratios = {
    libev: round(one.otb / one["shadowsocks-libev"]),
    rust: round(one.otb / one["shadowsocks-rust"]),
    hundred: round(hundred.otb / Math.max(hundred["shadowsocks-libev"], hundred["shadowsocks-rust"])),
    striped: round(one["otb-striped"] / one.otb),
    cpuOfLibev: round(cpu.otb / cpu["shadowsocks-libev"]),
    cpuOfRust: round(cpu.otb / cpu["shadowsocks-rust"]),
    ofRaw: round(one.otb / one.raw),
  };
  const names = Object.keys(BARS) as (keyof typeof BARS)[];
  return {
    oneStreamGbps: one,
    hundredStreamsGbps: hundred,
    cpuSecondsPerGb: cpu,
    ratios,
    bars: BARS,
    pass: names.every((name) => holds(name, ratios[name])),
  };
}

function holds(name: keyof typeof BARS, ratio: number): boolean {
  return name.startsWith("cpu") ? ratio <= BARS[name] : ratio >= BARS[name];
}

/** What reaches the sink, the first second left out. */
async function measure(bench: Bench, kind: Kind, streams: number, seconds: number): Promise<Figure> {
  const sink = await bench.script("load", "sink", TARGET_PORT);
  await bench.listening(TARGET_PORT);
  const hops = await bench.hops(kind);
  const load = kind === "raw"
    ? await bench.script("load", "stream", 0, SOCKS_PORT, streams)
    : await bench.script("load", "stream", SOCKS_PORT, TARGET_PORT, streams);
  let first: { tMs: number; bytes: number; cpu: number } | undefined;
  let last: { tMs: number; bytes: number } | undefined;
  let began: number | undefined;
  const giveUp = setTimeout(() => sink.kill("SIGKILL"), (seconds + 15) * 1000);
  for await (const line of jsonLines<{ tMs: number; bytes: number }>(sink)) {
    if (line.bytes > 0) began ??= line.tMs;
    if (began === undefined || line.tMs < began + 1000) continue;
    first ??= { ...line, cpu: await bench.seconds(hops) };
    last = line;
    if (line.tMs > began + 1000 + seconds * 1000) break;
  }
  clearTimeout(giveUp);
  const cpu = await bench.seconds(hops).catch(() => NaN);
  await bench.stop([load, ...hops, sink]);
  if (!first || !last || last === first) throw new Error(`${kind} with ${streams} streams carried nothing`);
  const bytes = last.bytes - first.bytes;
  return {
    gbps: bytes * 8 / (last.tMs - first.tMs) / 1e6,
    cpuSecondsPerGb: (cpu - first.cpu) * 1e9 / bytes,
  };
}

function empty(): Record<Kind, Figure[]> {
  return Object.fromEntries(KINDS.map((kind): [Kind, Figure[]] => [kind, []])) as Record<Kind, Figure[]>;
}

/** The result as lines for a person. */
export function rows(
  { oneStreamGbps, hundredStreamsGbps, cpuSecondsPerGb, ratios }: RelayResult,
): string[][] {
  const verdict = (name: keyof typeof BARS) =>
    `${ratios[name]} times, bar ${BARS[name]}: ${holds(name, ratios[name]) ? "holds" : "missed"}`;
  return [
    ["two encrypted hops", "1 stream", "100 streams", "processor, 1 stream"],
    ...KINDS.map((kind) => [
      LABELS[kind] ?? kind,
      `${oneStreamGbps[kind]} Gbit/s`,
      `${hundredStreamsGbps[kind]} Gbit/s`,
      `${cpuSecondsPerGb[kind]} s/GB`,
    ]),
    ["against shadowsocks-libev", verdict("libev"), "", verdict("cpuOfLibev")],
    ["against shadowsocks-rust", verdict("rust"), "", verdict("cpuOfRust")],
    ["against the better of both", "", verdict("hundred"), ""],
    ["striped against one plain connection", verdict("striped"), "", ""],
    ["share of the unencrypted relay", `${round(ratios.ofRaw * 100, 0)} %`, "", ""],
  ];
}

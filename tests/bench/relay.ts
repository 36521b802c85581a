// `otb bench relay`: bytes through two encrypted hops, ours against shadowsocks-libev and shadowsocks-rust, alternating.
import { median, round } from "../measure.ts";
import { Bench, jsonLines, type Kind, SOCKS_PORT, TARGET_PORT } from "./hops.ts";

const KINDS: Kind[] = ["otb", "shadowsocks-libev", "shadowsocks-rust", "otb-mptcp", "raw"];
const LABELS: Partial<Record<Kind, string>> = {
  "otb-mptcp": "otb, MPTCP between the hops",
  raw: "otb without encryption",
};
/** At least so many times the other, one stream; and at least equal to the better with 100. */
const BARS = { libev: 2, rust: 1.3, hundred: 1 };

/** Gbit/s, medians. */
export interface RelayResult {
  oneStreamGbps: Record<Kind, number>;
  hundredStreamsGbps: Record<Kind, number>;
  ratios: { libev: number; rust: number; hundred: number; ofRaw: number };
  bars: typeof BARS;
  pass: boolean;
}

/** Alternates the implementations in every round. */
export async function run(options: { rounds: number; seconds: number }): Promise<RelayResult> {
  await using bench = await Bench.up();
  const figures = { 1: empty(), 100: empty() };
  const seconds = Math.min(options.seconds, 4);
  for (let turn = 0; turn < options.rounds; turn++) {
    for (const kind of KINDS) {
      for (const streams of [1, 100] as const) {
        figures[streams][kind].push(await measure(bench, kind, streams, seconds));
      }
    }
  }
  const medians = (runs: Record<Kind, number[]>) =>
    Object.fromEntries(KINDS.map((kind) => [kind, round(median(runs[kind]))])) as Record<Kind, number>;
  const one = medians(figures[1]);
  const hundred = medians(figures[100]);
  const ratios = {
    libev: round(one.otb / one["shadowsocks-libev"]),
    rust: round(one.otb / one["shadowsocks-rust"]),
    hundred: round(hundred.otb / Math.max(hundred["shadowsocks-libev"], hundred["shadowsocks-rust"])),
    ofRaw: round(one.otb / one.raw),
  };
  const pass = ratios.libev >= BARS.libev && ratios.rust >= BARS.rust && ratios.hundred >= BARS.hundred;
  return { oneStreamGbps: one, hundredStreamsGbps: hundred, ratios, bars: BARS, pass };
}

/** Gbit/s that reach the sink, the first second left out. */
async function measure(bench: Bench, kind: Kind, streams: number, seconds: number): Promise<number> {
  const sink = await bench.script("load", "sink", TARGET_PORT);
  await bench.listening(TARGET_PORT);
  const hops = await bench.hops(kind);
  const load = kind === "raw"
    ? await bench.script("load", "stream", 0, SOCKS_PORT, streams)
    : await bench.script("load", "stream", SOCKS_PORT, TARGET_PORT, streams);
  let first: { tMs: number; bytes: number } | undefined;
  let last: { tMs: number; bytes: number } | undefined;
  let began: number | undefined;
  const giveUp = setTimeout(() => sink.kill("SIGKILL"), (seconds + 15) * 1000);
  for await (const line of jsonLines<{ tMs: number; bytes: number }>(sink)) {
    if (line.bytes > 0) began ??= line.tMs;
    if (began === undefined || line.tMs < began + 1000) continue;
    first ??= line;
    last = line;
    if (line.tMs > began + 1000 + seconds * 1000) break;
  }
  clearTimeout(giveUp);
  await bench.stop([load, ...hops, sink]);
  if (!first || !last || last === first) throw new Error(`${kind} with ${streams} streams carried nothing`);
  return (last.bytes - first.bytes) * 8 / (last.tMs - first.tMs) / 1e6;
}

function empty(): Record<Kind, number[]> {
  return { otb: [], "otb-mptcp": [], "shadowsocks-libev": [], "shadowsocks-rust": [], raw: [] };
}

/** The result as lines for a person. */
export function rows({ oneStreamGbps, hundredStreamsGbps, ratios, bars }: RelayResult): string[][] {
  const verdict = (ratio: number, bar: number) =>
    `${ratio} times, bar ${bar}: ${ratio >= bar ? "holds" : "missed"}`;
  return [
    ["two encrypted hops", "1 stream", "100 streams"],
    ...KINDS.map((
      kind,
    ) => [
      LABELS[kind] ?? kind,
      `${oneStreamGbps[kind]} Gbit/s`,
      `${hundredStreamsGbps[kind]} Gbit/s`,
    ]),
    ["against shadowsocks-libev", verdict(ratios.libev, bars.libev), ""],
    ["against shadowsocks-rust", verdict(ratios.rust, bars.rust), ""],
    ["against the better of both", "", verdict(ratios.hundred, bars.hundred)],
    ["share of the unencrypted relay", `${round(ratios.ofRaw * 100, 0)} %`, ""],
  ];
}

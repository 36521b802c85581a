// `otb bench connections`: short connections per second through two encrypted hops, and memory with 10,000 idle ones.
import { proportionalMemory } from "../../core/supervisor/process.ts";
import { median, round } from "./measure.ts";
import { Bench, jsonLines, type Kind, SOCKS_PORT, TARGET_PORT } from "./hops.ts";

const KINDS = ["otb", "otb-striped", "shadowsocks-libev", "shadowsocks-rust"] as const satisfies Kind[];
const AT_ONCE = 64;
/** 10,000, or what this machine's limit of descriptors allows: a hop needs two for each, and some for itself. */
const IDLE = Math.min(10_000, Math.floor((descriptorLimit() - 200) / 2));
const BAR_MB = 120;

/** Connections per second are medians, over plain TCP between the hops and striped; memory is the process of the box's hop with the idle connections. */
export interface ConnectionsResult {
  perSecond: Record<typeof KINDS[number], number>;
  failed: number;
  ratioToBetter: number;
  idleConnections: number;
  boxMemoryMb: Record<typeof KINDS[number], number>;
  barMb: number;
  pass: boolean;
}

/** Hard limit of open files of this process (getrlimit(2)). */
function descriptorLimit(): number {
  return Number(
    /^Max open files\s+\S+\s+(\d+)/m.exec(Deno.readTextFileSync("/proc/self/limits"))?.[1] ?? Infinity,
  );
}

/** Alternates the implementations in every round; memory is taken once each. */
export async function run(options: { rounds: number; seconds: number }): Promise<ConnectionsResult> {
  await using bench = await Bench.up();
  const rates: Record<string, number[]> = {};
  const boxMemoryMb = {} as Record<typeof KINDS[number], number>;
  let failed = 0;
  const seconds = Math.min(options.seconds, 4);
  const echo = await bench.script("load", "echo", TARGET_PORT);
  await bench.listening(TARGET_PORT);
  for (let turn = 0; turn < options.rounds; turn++) {
    for (const kind of KINDS) {
      const hops = await bench.hops(kind);
      const load = await bench.script("load", "short", SOCKS_PORT, TARGET_PORT, AT_ONCE, seconds);
      for await (const result of jsonLines<{ connections: number; failed: number; ms: number }>(load)) {
        (rates[kind] ??= []).push(result.connections / result.ms * 1000);
        failed += kind.startsWith("otb") ? result.failed : 0;
      }
      await bench.stop([load, ...hops]);
    }
  }
  for (const kind of KINDS) {
    const hops = await bench.hops(kind);
    const load = await bench.script("load", "hold", SOCKS_PORT, TARGET_PORT, IDLE);
    const giveUp = setTimeout(() => load.kill("SIGKILL"), 60_000);
    for await (const { open } of jsonLines<{ open: number }>(load)) if (open >= IDLE) break;
    clearTimeout(giveUp);
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    boxMemoryMb[kind] = round((proportionalMemory(hops[1]!.pid) ?? NaN) / 1e6, 1);
    await bench.stop([load, ...hops]);
  }
  await bench.stop([echo]);
  const perSecond = Object.fromEntries(
    KINDS.map((kind) => [kind, round(median(rates[kind]!), 0)]),
  ) as ConnectionsResult["perSecond"];
  const ratioToBetter = round(
    perSecond.otb / Math.max(perSecond["shadowsocks-libev"], perSecond["shadowsocks-rust"]),
  );
  return {
    perSecond,
    failed,
    ratioToBetter,
    idleConnections: IDLE,
    boxMemoryMb,
    barMb: BAR_MB,
    pass: ratioToBetter >= 1 && boxMemoryMb.otb <= BAR_MB && boxMemoryMb["otb-striped"] <= BAR_MB,
  };
}

/** The result as lines for a person. */
export function rows({ perSecond, boxMemoryMb, ratioToBetter, barMb }: ConnectionsResult): string[][] {
  return [
    ["two encrypted hops", "connections/s", `${IDLE} idle`],
    ...KINDS.map((kind) => [kind, String(perSecond[kind]), `${boxMemoryMb[kind]} MB`]),
    [
      "bar",
      `at least equal: ${ratioToBetter >= 1 ? "holds" : "missed"} (${ratioToBetter})`,
      `${barMb} MB: ${Math.max(boxMemoryMb.otb, boxMemoryMb["otb-striped"]) <= barMb ? "holds" : "missed"}`,
    ],
  ];
}

// `otb bench NAME`: every benchmark compares with a peer or with a limit in the same run, and prints a ratio.
import { table } from "./measure.ts";

interface Benchmark {
  summary: string;
  /** What it does unless told otherwise, where that is not what all do. */
  usual?: { rounds: number };
  load(): Promise<{ run(options: never): Promise<object>; rows?(result: never): string[][] }>;
}

const BENCHMARKS: Record<string, Benchmark> = {
  relay: {
    summary: "two encrypted hops against shadowsocks-libev and shadowsocks-rust",
    load: () => import("./relay.ts"),
  },
  connections: {
    summary: "short connections per second and memory, against the same",
    load: () => import("./connections.ts"),
  },
  aggregate: {
    summary: "one TCP connection over all links against the sum of the single links",
    load: () => import("./aggregate.ts"),
  },
  grid: {
    summary:
      "mixes of links as homes have them, both ways, one connection and eight: striped and Multipath " +
      "TCP beside what the links carry and the best alone",
    usual: { rounds: 1 },
    load: () => import("./grid.ts"),
  },
  budget: {
    summary: "16.8 MB within the kernel's simult_flows budget",
    load: () => import("./budget.ts"),
  },
  failover: {
    summary:
      "links cut under a download, an upload and an idle session, and a thousand flaps: gaps, bytes, memory",
    load: () => import("./failover.ts"),
  },
  fetch: {
    summary:
      "small fetches and pages over several links against the best alone, idle and beside a bulk download",
    usual: { rounds: 10 },
    load: () => import("./fetch.ts"),
  },
  loaded: {
    summary: "links that are full both ways for an hour: none is called down",
    load: () => import("./loaded.ts"),
  },
  soak: {
    summary: "half an hour of faults by a seed: nothing breaks that should live, nothing grows",
    load: () => import("./soak.ts"),
  },
  tunnel: {
    summary: "one encrypted tunnel on one path against wireguard-go, glorytun and a plain TUN forward",
    load: () => import("./tunnel.ts"),
  },
  datagrams: {
    summary: "QUIC and constant UDP through the tunnel over unequal links; gaps when one is cut",
    load: () => import("./datagrams.ts"),
  },
  rules: {
    summary: "what a thousand pinning rules cost a forwarded connection",
    load: () => import("./rules.ts"),
  },
  calls: {
    summary: "calls while every link is full both ways, with and without qos, and while a link is cut",
    load: () => import("./calls.ts"),
  },
  idle: { summary: "memory of an idle box", load: () => import("./idle.ts") },
};

const HELP = `Usage: sudo ./otb bench NAME [--json] [--rounds N] [--seconds N] [--minutes N] [--seed N]
                            [--flaps N] [--transport NAME] [--picture FILE] [--only TEXT]

${Object.entries(BENCHMARKS).map(([name, { summary }]) => `  ${name.padEnd(12)} ${summary}`).join("\n")}

  --json       print one object
  --rounds N   alternating rounds, the figures are medians (default 3; "grid" 1, "fetch" 10)
  --seconds N  length of each measured transfer (default 10); in "grid" of one striped connection, which begins to count
               after 40 % of it and over a link that is far away later; the other ones there last 7 s,
               and longer over slow links
  --minutes N  how long "loaded" looks (default 60) and "soak" spoils (default 30)
  --seed N     which faults "soak" does (default 1); the same again shows the same
  --flaps N    how often links flap in the last part of "failover" (default 1000)
  --transport NAME
               what "soak" and "failover" carry TCP by, striped or mptcp (default striped)
  --picture FILE
               "grid" draws what it measured there, as SVG
  --only TEXT  only cases whose name contains TEXT; those of "failover" are download, upload, session, flaps

"grid" measures the best link alone too: one connection by otb over the link of the highest rate, no other in use.
"fetch" compares with the best link alone while nothing else flows, also what it fetches beside a bulk download.
`;

/** Runs one benchmark; the exit status is 1 when a bar is missed. */
export async function bench(args: string[]): Promise<number> {
  const options: {
    rounds?: number;
    seconds: number;
    minutes?: number;
    seed?: number;
    flaps?: number;
    transport?: string;
    only?: string;
    picture?: string;
  } = { seconds: 10 };
  let json = false;
  let name: string | undefined;
  for (let index = 0; index < args.length; index++) {
    const word = args[index]!;
    const number = Number(args[index + 1]);
    if (word === "--help" || word === "-h") {
      console.log(HELP);
      return 0;
    } else if (word === "--json") json = true;
    else if (word === "--rounds" && number >= 1 && number <= 20) options.rounds = Number(args[++index]);
    else if (word === "--seconds" && number >= 4 && number <= 60) options.seconds = Number(args[++index]);
    else if (word === "--minutes" && number >= 1 && number <= 1440) options.minutes = Number(args[++index]);
    else if (word === "--seed" && number >= 0 && number < 2 ** 32) options.seed = Number(args[++index]);
    else if (word === "--flaps" && Number.isInteger(number) && number >= 1 && number <= 100_000) {
      options.flaps = Number(args[++index]);
    } else if (word === "--transport" && ["mptcp", "striped"].includes(args[index + 1]!)) {
      options.transport = args[++index];
    } else if (word === "--only" && args[index + 1]) options.only = args[++index];
    else if (word === "--picture" && args[index + 1]) options.picture = args[++index];
    else if (!word.startsWith("-") && name === undefined) name = word;
    else return refuse(`as the option is unknown or incomplete: current value is "${word}"`);
  }
  if (name === undefined) {
    console.log(HELP);
    return 2;
  }
  const benchmark = Object.hasOwn(BENCHMARKS, name) ? BENCHMARKS[name] : undefined;
  if (!benchmark) {
    return refuse(
      `as the name must be one of ${Object.keys(BENCHMARKS).join(", ")}: current value is "${name}"`,
    );
  }
  const { run, rows } = await benchmark.load();
  const result = await run({ rounds: 3, ...benchmark.usual, ...options } as never);
  if (json || !rows) console.log(JSON.stringify({ bench: name, ...result }, null, json ? 0 : 2));
  else console.log(table(rows(result as never)));
  return "pass" in result && result.pass === false ? 1 : 0;
}

function refuse(why: string): number {
  console.error(`otb: Cannot run a benchmark ${why}\n  next: ./otb bench --help`);
  return 2;
}

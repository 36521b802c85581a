// `otb demo`: the whole thing on one machine, measured while you watch. Raises a lab with unequal links, runs box and
// peer, downloads over each link alone and then over all of them, cuts one on the way, and stays up for exploring.
import { OtbError } from "../core/plugin.ts";
import { parseLinks } from "./lab/parse.ts";
import { median, round, table } from "./measure.ts";
import { type Transfer, World } from "./world.ts";

const HELP = `Usage: sudo ./otb demo [--links 100/20/10,30/10/25,20/5/40] [--seconds N] [--once] [--json]

Raises a lab of network namespaces on this machine, runs a box and its peer in it, and downloads a file
over one plain TCP connection: over each link alone, then over all of them at once. One link is cut and
restored on the way. Then it stays up for exploring until Ctrl-C.

  --links     down/up Mbit/s / one-way delay ms [/ loss percent], comma-separated
  --seconds   length of each measured download, the first 3 left out (default 8)
  --once      end after the table
  --json      print one object instead of the table (implies --once)
`;

interface DemoOptions {
  links: string;
  seconds: number;
  once: boolean;
  json: boolean;
}

/** What `--json` prints. */
export interface DemoReport {
  links: { name: string; aloneMbps: number }[];
  sumMbps: number;
  aggregateMbps: number;
  efficiency: number;
  encrypted: string;
  protocol: string;
  failover: { cutLink: string; checksumOk: boolean; longestStallMs: number; usedAgainMs: number | null };
}

/** Runs the demo; returns the exit status. */
export async function demo(args: string[]): Promise<number> {
  const options = parse(args);
  if (typeof options === "number") return options;
  const say = (text: string) => options.json || console.log(text);
  const interrupted = Promise.withResolvers<"interrupted">();
  let rises = true;
  const interrupt = () => {
    if (rises) say("Interrupted: the lab is taken down as soon as it stands.");
    interrupted.resolve("interrupted");
  };
  Deno.addSignalListener("SIGINT", interrupt);
  Deno.addSignalListener("SIGTERM", interrupt);
  const spec = { links: parseLinks(options.links) };
  say(`Raising a lab with ${spec.links.length} links: ${spec.links.map(describe).join(", ")}`);
  const name = "demo";
  const world = await World.up(name, spec).catch((error) => {
    if (error.code !== "lab-exists") throw error;
    throw new OtbError(
      error.code,
      "Cannot show the demo as one runs already on this machine",
      `End it with Ctrl-C in its terminal, or: sudo ./otb lab down ${name}`,
    );
  });
  rises = false;
  try {
    const outcome = await Promise.race([measure(world, options, say), interrupted.promise]);
    if (outcome === "interrupted") return 130;
    if (options.json) console.log(JSON.stringify(outcome));
    else console.log(summary(outcome));
    if (!options.once && !options.json) {
      console.log(`
The lab stays up. In another terminal:
  sudo ./otb status --watch --state ${world.box.state}
  sudo ./otb lab shell ${name} device1     # a LAN device: curl -o /dev/null http://203.0.113.10:8080/file?bytes=100000000
  sudo ./otb lab cut ${name} ${spec.links[0]!.name}
  sudo ./otb lab restore ${name} ${spec.links[0]!.name}
Ctrl-C ends it and leaves nothing behind.`);
      await interrupted.promise;
    }
    return outcome.failover.checksumOk ? 0 : 1;
  } finally {
    say("Taking the lab down.");
    await world.close();
    Deno.removeSignalListener("SIGINT", interrupt);
    Deno.removeSignalListener("SIGTERM", interrupt);
  }
}

async function measure(
  world: World,
  options: DemoOptions,
  say: (text: string) => unknown,
): Promise<DemoReport> {
  const links = world.lab.links;
  const alone: { name: string; aloneMbps: number }[] = [];
  for (const [index, link] of links.entries()) {
    const { mbps } = await watched(world, `solo${index + 1}`, `${link.name} alone`, options);
    alone.push({ name: link.name, aloneMbps: round(mbps, 1) });
  }
  const sumMbps = round(alone.reduce((sum, { aloneMbps }) => sum + aloneMbps, 0), 1);
  const runs: number[] = [];
  for (let run = 1; run <= 3; run++) {
    runs.push((await watched(world, "device1", `all links through otb (${run} of 3)`, options)).mbps);
  }
  const aggregateMbps = round(median(runs), 1);
  const { connections } = await world.box.status();
  const failover = await cutAndRestore(world, sumMbps, say);
  return {
    links: alone,
    sumMbps,
    aggregateMbps,
    efficiency: round(aggregateMbps / sumMbps, 3),
    encrypted: "2022-blake3-aes-256-gcm",
    protocol: connections.protocol,
    failover,
  };
}

/** One download with its progress on the terminal. */
async function watched(
  world: World,
  role: string,
  title: string,
  { seconds, json }: DemoOptions,
): Promise<Transfer> {
  const live = !json && Deno.stdout.isTerminal();
  let shown = "";
  const result = await world.transfer(role, {
    seconds,
    skipSeconds: 3,
    onProgress: ({ tMs, bytes }) => {
      if (!live) return;
      shown = `  ${title}: ${(bytes * 8 / 1000 / Math.max(tMs, 1)).toFixed(1)} Mbit/s after ${
        (tMs / 1000).toFixed(1)
      } s`;
      Deno.stdout.writeSync(new TextEncoder().encode(`\r\x1b[K${shown}`));
    },
  });
  if (result.error) throw new Error(`Cannot download over ${title}: ${result.error}`);
  if (!json) console.log(`${live ? "\r\x1b[K" : ""}  ${title}: ${result.mbps.toFixed(1)} Mbit/s`);
  return result;
}

/** A checked download during which the first link dies silently and returns. */
async function cutAndRestore(
  world: World,
  sumMbps: number,
  say: (text: string) => unknown,
): Promise<DemoReport["failover"]> {
  const link = world.lab.links[0]!.name;
  const bytes = Math.round(sumMbps * 1e6 / 8 * 12);
  const used = async () =>
    (await world.box.status()).links.find(({ name }) => name === link)?.path?.rxBitsPerSecond ?? 0;
  say(`  failover: downloading ${(bytes / 1e6).toFixed(0)} MB, "${link}" is cut after 3 s for 4 s`);
  const transfer = world.transfer("device1", { bytes });
  await pause(3_000);
  await world.lab.cut(link);
  await pause(4_000);
  await world.lab.restore(link);
  const restoredAt = performance.now();
  let usedAgainMs: number | null = null;
  const watch = (async () => {
    while (performance.now() - restoredAt < 10_000) {
      if (await used() > 1e6) {
        usedAgainMs = Math.round(performance.now() - restoredAt);
        return;
      }
      await pause(100);
    }
  })();
  const result = await transfer;
  await watch;
  return {
    cutLink: link,
    checksumOk: result.checksumOk === true && result.bytes === bytes,
    longestStallMs: Math.round(result.longestStallMs),
    usedAgainMs,
  };
}

function summary(report: DemoReport): string {
  const { failover } = report;
  return `
${
    table([
      ["link", "Mbit/s"],
      ...report.links.map(({ name, aloneMbps }) => [name, aloneMbps.toFixed(1)]),
      ["sum of the links", report.sumMbps.toFixed(1)],
      ["one connection over all", report.aggregateMbps.toFixed(1)],
      ["efficiency", `${(report.efficiency * 100).toFixed(1)} %`],
    ])
  }

  encrypted   ${report.encrypted}, carried by ${report.protocol}
  failover    ${failover.cutLink} cut and restored: checksum ${
    failover.checksumOk ? "holds" : "BROKEN"
  }, longest stall ${failover.longestStallMs} ms, ${
    failover.usedAgainMs === null
      ? "link not seen in use again within 10 s"
      : `link in use again ${failover.usedAgainMs} ms after its return`
  }`;
}

function describe(link: { name: string; downMbps: number; upMbps: number; delayMs: number }): string {
  return `${link.name} ${link.downMbps}/${link.upMbps} Mbit/s ${link.delayMs} ms`;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function parse(args: string[]): DemoOptions | number {
  const options: DemoOptions = { links: "100/20/10,30/10/25,20/5/40", seconds: 8, once: false, json: false };
  for (let index = 0; index < args.length; index++) {
    const word = args[index]!;
    if (word === "--help" || word === "-h") {
      console.log(HELP);
      return 0;
    } else if (word === "--once") options.once = true;
    else if (word === "--json") options.json = options.once = true;
    else if (word === "--links" && args[index + 1]) options.links = args[++index]!;
    else if (word === "--seconds" && Number(args[index + 1]) >= 6 && Number(args[index + 1]) <= 60) {
      options.seconds = Number(args[++index]);
    } else if (word === "--seconds") {
      console.error(
        `otb: Cannot run the demo as --seconds must be 6 to 60: current value is "${
          args[index + 1] ?? ""
        }"\n  next: ./otb demo --seconds 8`,
      );
      return 2;
    } else {
      console.error(
        `otb: Cannot run the demo as the option is unknown or incomplete: current value is "${word}"\n  next: ./otb demo --help`,
      );
      return 2;
    }
  }
  return options;
}

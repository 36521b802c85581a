// `otb demo`: the whole thing on one machine, measured while you watch. Raises a lab with the links of an ordinary home,
// runs box and peer, loads each link alone and then all of them both ways, cuts one on the way, and stays up for exploring.
import { OtbError } from "@otb/plugin";
import { DSL, FIBRE, LTE } from "../bench/mixes.ts";
import { type LinkSpec, parseLinks } from "../lab/parse.ts";
import { links, PAYLOAD_SHARE, round, table } from "../bench/measure.ts";
import { type Transfer, type Transport, World } from "./world.ts";

const HELP = `Usage: sudo ./otb demo [--links 100/20/10,18/1/20/0/300,...] [--seconds N] [--once] [--json]

Raises a lab of network namespaces on this machine, runs a box and its peer in it, and moves data over one
plain TCP connection, down and up: over each link alone, then over all of them at once, by otb and by the
kernel's Multipath TCP through the same box and peer. First over DSL and LTE, as many homes have them, then
with a fibre beside them. One link is cut and restored on the way. Then it stays up for exploring until Ctrl-C.

  --links     links of your own: down/up Mbit/s / one-way delay ms [/ loss percent [/ buffer ms]], comma-separated
  --seconds   length of each measured transfer, its first 40 % left out (default 10)
  --once      end after the table
  --json      print one object instead of the table (implies --once)
`;

/** An ordinary home: DSL and LTE; the fibre comes to them in the second part. */
const HOME: LinkSpec[] = links(DSL, LTE, FIBRE).map((link, index) => ({
  ...link,
  name: ["dsl", "lte", "fibre"][index]!,
}));
const SECOND_PART = "fibre";
const WAYS = ["down", "up"] as const;

interface DemoOptions {
  /** Undefined: the ordinary home. */
  links?: LinkSpec[];
  seconds: number;
  once: boolean;
  json: boolean;
}

/** One direction over one set of links, Mbit/s of one TCP connection. */
export interface DemoWay {
  links: { name: string; aloneMbps: number }[];
  /** Of the links alone. */
  sumMbps: number;
  /** What the links carry of TCP's payload, by their rates. */
  carryMbps: number;
  /** Through otb over all links. */
  aggregateMbps: number;
  /** The same with the kernel's Multipath TCP between box and peer. */
  mptcpMbps: number;
  /** `aggregateMbps` of `sumMbps`; above 1 where a link alone is slowed by what it loses. */
  efficiency: number;
}

/** What `--json` prints: downloads, and uploads under `up`. */
export interface DemoReport extends DemoWay {
  up: DemoWay;
  /** The second part: a fibre beside the links of the first. */
  withFibre?: DemoWay & { up: DemoWay };
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
  const spec = { links: options.links ?? HOME };
  say(`Raising a lab with ${spec.links.length} links: ${spec.links.map(describe).join("; ")}`);
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
  const { links } = world.lab;
  const alone = new Map<string, Record<typeof WAYS[number], number>>();
  for (const [index, { name }] of links.entries()) {
    const of = async (way: typeof WAYS[number]) =>
      (await watched(world, `solo${index + 1}`, `${name} alone, ${way}`, way, options)).mbps;
    alone.set(name, { down: await of("down"), up: await of("up") });
  }
  const part = async (used: LinkSpec[]) => {
    const through: Record<Transport, Record<typeof WAYS[number], number>> = {
      mptcp: { down: 0, up: 0 },
      striped: { down: 0, up: 0 },
    };
    const names = used.map(({ name }) => name).join(" + ");
    for (const transport of ["mptcp", "striped"] as const) {
      await world.over(transport);
      const by = transport === "mptcp" ? "Multipath TCP" : "otb";
      for (const way of WAYS) {
        through[transport][way] =
          (await watched(world, "device1", `${names} by ${by}, ${way}`, way, options)).mbps;
      }
    }
    const of = (way: typeof WAYS[number]): DemoWay => {
      const single = used.map(({ name }) => ({ name, aloneMbps: round(alone.get(name)![way], 1) }));
      const sum = single.reduce((all, { aloneMbps }) => all + aloneMbps, 0);
      return {
        links: single,
        sumMbps: round(sum, 1),
        carryMbps: round(
          PAYLOAD_SHARE * used.reduce((all, link) => all + (way === "down" ? link.downMbps : link.upMbps), 0),
          1,
        ),
        aggregateMbps: round(through.striped[way], 1),
        mptcpMbps: round(through.mptcp[way], 1),
        efficiency: round(through.striped[way] / sum, 3),
      };
    };
    return { ...of("down"), up: of("up") };
  };
  const isHome = options.links === undefined;
  if (isHome) await world.box.otb(["link", "set", SECOND_PART, "--tier", "never", "--yes"]);
  const first = await part(links.filter(({ name }) => !isHome || name !== SECOND_PART));
  if (isHome) await world.box.otb(["link", "set", SECOND_PART, "--tier", "primary", "--yes"]);
  const withFibre = isHome ? await part(links) : undefined;
  const { connections } = await world.box.status();
  const failover = await cutAndRestore(world, (withFibre ?? first).aggregateMbps, say);
  return {
    ...first,
    ...(withFibre && { withFibre }),
    encrypted: "2022-blake3-aes-256-gcm",
    protocol: connections.protocol,
    failover,
  };
}

/** One transfer with its progress on the terminal. */
async function watched(
  world: World,
  role: string,
  title: string,
  way: typeof WAYS[number],
  { seconds, json }: DemoOptions,
): Promise<Transfer> {
  const live = !json && Deno.stdout.isTerminal();
  let shown = "";
  const result = await world.transfer(role, {
    seconds,
    skipSeconds: Math.round(seconds * 0.4),
    upload: way === "up",
    onProgress: ({ tMs, bytes }) => {
      if (!live) return;
      shown = `  ${title}: ${(bytes * 8 / 1000 / Math.max(tMs, 1)).toFixed(1)} Mbit/s after ${
        (tMs / 1000).toFixed(1)
      } s`;
      Deno.stdout.writeSync(new TextEncoder().encode(`\r\x1b[K${shown}`));
    },
  });
  if (result.error) throw new Error(`Cannot measure ${title}: ${result.error}`);
  if (!json) console.log(`${live ? "\r\x1b[K" : ""}  ${title}: ${result.mbps.toFixed(1)} Mbit/s`);
  return result;
}

/** A checked download during which the widest link dies silently and returns. */
async function cutAndRestore(
  world: World,
  sumMbps: number,
  say: (text: string) => unknown,
): Promise<DemoReport["failover"]> {
  const link = world.lab.links.reduce((widest, each) => each.downMbps > widest.downMbps ? each : widest).name;
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
  const part = (title: string, { up, ...down }: DemoWay & { up: DemoWay }) =>
    table([
      [title, "down", "up"],
      ...down.links.map(({ name, aloneMbps }, index) => [
        `${name} alone`,
        aloneMbps.toFixed(1),
        up.links[index]!.aloneMbps.toFixed(1),
      ]),
      ["all, by kernel Multipath TCP", down.mptcpMbps.toFixed(1), up.mptcpMbps.toFixed(1)],
      ["all, by otb", down.aggregateMbps.toFixed(1), up.aggregateMbps.toFixed(1)],
      ["what they carry", down.carryMbps.toFixed(1), up.carryMbps.toFixed(1)],
    ]);
  return `
${part("one connection, Mbit/s", report)}
${report.withFibre ? `\n${part("with a fibre, Mbit/s", report.withFibre)}\n` : ""}
  encrypted   ${report.encrypted}, carried by ${report.protocol}
  failover    ${failover.cutLink} cut and restored: checksum ${
    failover.checksumOk ? "holds" : "BROKEN"
  }, longest stall ${failover.longestStallMs} ms, ${
    failover.usedAgainMs === null
      ? "link not seen in use again within 10 s"
      : `link in use again ${failover.usedAgainMs} ms after its return`
  }`;
}

function describe({ name, downMbps, upMbps, delayMs, queueMs, lossPercent = 0 }: LinkSpec): string {
  const buffer = queueMs === undefined ? "" : `, buffer ${queueMs} ms`;
  const loss = lossPercent === 0 ? "" : `, loses ${lossPercent} %`;
  return `${name} ${downMbps}/${upMbps} Mbit/s ${delayMs} ms${buffer}${loss}`;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function parse(args: string[]): DemoOptions | number {
  const options: DemoOptions = { seconds: 10, once: false, json: false };
  for (let index = 0; index < args.length; index++) {
    const word = args[index]!;
    if (word === "--help" || word === "-h") {
      console.log(HELP);
      return 0;
    } else if (word === "--once") options.once = true;
    else if (word === "--json") options.json = options.once = true;
    else if (word === "--links" && args[index + 1]) options.links = parseLinks(args[++index]!);
    else if (word === "--seconds" && Number(args[index + 1]) >= 6 && Number(args[index + 1]) <= 60) {
      options.seconds = Number(args[++index]);
    } else if (word === "--seconds") {
      console.error(
        `otb: Cannot run the demo as --seconds must be 6 to 60: current value is "${
          args[index + 1] ?? ""
        }"\n  next: ./otb demo --seconds 10`,
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

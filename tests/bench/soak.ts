// `otb bench soak`: faults without end, by a seed, while devices use the box: nothing breaks that should live, and nothing grows.
import { setTimeout as sleep } from "node:timers/promises";
import { proportionalMemory } from "../../core/supervisor/process.ts";
import { SmallDisk } from "../lab/disk.ts";
import { Lines } from "../lab/programs.ts";
import { links, round } from "./measure.ts";
import { type End, SERVER_ADDRESS, SERVER_PORT, type Transport, World } from "../worlds/world.ts";
import { type Growth, growth, type Sample } from "./soak_growth.ts";
import { Spoiler } from "./soak_do.ts";
import { type Fault, faults, type Kind, MAY_BREAK, wordsOf } from "./soak_plan.ts";

const ECHO_PORT = 9301;
/** Room for the box's state with all its logs. */
const DISK_BYTES = 24 * 1024 * 1024;
/** A process has used everything once after this part of the whole, two minutes at most. */
const WARM_SHARE = 0.2, MOST_WARM_S = 120;
/** What may grow over the whole time: share of the memory and megabytes beside it, descriptors, entries of conntrack. */
const BAR_MEMORY_SHARE = 0.25, BAR_MEMORY_MB = 4, BAR_DESCRIPTORS = 6, BAR_CONNTRACK = 1.5;
/** What a core may take on average over all its runs; it shows in a minute what fills one by each fault. */
const BAR_CORE_MB = 80;
/** Fewer looks at warm runs than these, or less time, say nothing of growth. */
const MIN_LOOKS = 20, LEAST_MINUTES = 10;
/** What a fault broke may still show this much later. */
const AFTER_MS = 10_000;
/** Datagrams may stand still for so long while a fault lasts and just after: links are found dead, tunnels are made again. */
const BAR_GAP_MS = 15_000;
/** Names, where each is asked for once: dnsmasq that starts anew for other settings is away for some 60 ms. */
const BAR_NAMES_MS = 1_000, APART_MS = 200;

/** A thing that broke although no fault explains it. */
interface Broken {
  what: string;
  atS: number;
  lastFault: string;
}

/** What came of it; `done` has the faults as they were done, for a replay by the seed. */
export interface SoakResult {
  seed: number;
  minutes: number;
  faults: { [kind: string]: number };
  done: string[];
  connections: number;
  downloads: number;
  names: number;
  namesLost: number;
  datagramsLostShare: number;
  broken: Broken[];
  growth: { [process: string]: Growth & { pass: boolean } };
  conntrack: { [end: string]: { first: number; last: number; pass: boolean } };
  pass: boolean;
}

interface Options {
  minutes?: number;
  seed?: number;
  transport?: Transport;
  /** Kinds that are left out. */
  without?: Kind[];
}

/** Faults for so many minutes. */
export async function run(
  { minutes = 30, seed = 1, transport = "striped", without = [] }: Options,
): Promise<SoakResult> {
  const folder = await Deno.makeTempDir({ prefix: "otb" });
  await using disk = await SmallDisk.make(folder, "full", DISK_BYTES);
  await using world = await World.up(`soak${Deno.pid}`, {
    links: links("20/10/5", "20/10/15", "10/5/30"),
    devices: 2,
  }, { boxState: `${disk.path}/box`, start: false });
  try {
    await world.box.otb([
      "config",
      "set",
      "dhcp-takeover.mode=on",
      "dhcp-takeover.silenceSeconds=2",
      `mptcp-scheduler.transport=${transport}`,
      "--yes",
    ]);
    await Promise.all([world.cloud.up(), world.box.up()]);
    await world.box.until(({ plugins }) => plugins.some(({ status }) => status.serving === "confirmed"));
    return await new Soak(world, disk, minutes, seed, without).run();
  } finally {
    await Deno.remove(folder, { recursive: true }).catch(() => {});
  }
}

class Soak {
  readonly #startMs = Date.now();
  readonly #done: { fault: Fault; fromMs: number; toMs: number }[] = [];
  readonly #samples = new Map<string, Sample[]>();
  readonly #conntrack: { [end: string]: number[] } = { box: [], peer: [] };
  readonly #broken: { what: string; fromMs: number; toMs: number; of: "tcp" | "udp" | "dns" | "always" }[] =
    [];
  readonly #spoiler: Spoiler;

  constructor(
    private readonly world: World,
    disk: SmallDisk,
    private readonly minutes: number,
    private readonly seed: number,
    private readonly without: Kind[],
  ) {
    this.#spoiler = new Spoiler(world, disk, (what) => this.#blame(what));
  }

  async run(): Promise<SoakResult> {
    const { world } = this;
    await this.#spoiler.countRestarts();
    const echo = new Lines(world.lab, "server", ["tests/lab/soak_echo.ts", String(ECHO_PORT)]);
    await echo.next(({ ready }) => ready === true);
    const client = new Lines(world.lab, "device1", [
      "tests/lab/soak_client.ts",
      `${SERVER_ADDRESS}:${SERVER_PORT}`,
      String(ECHO_PORT),
    ]);
    client.listen((line) => {
      if (!("broken" in line)) return;
      const { broken, fromMs, toMs, why } = line as {
        broken: number;
        fromMs: number;
        toMs: number;
        why: string;
      };
      this.#broken.push({ what: `a connection of ${broken} bytes: ${why}`, fromMs, toMs, of: "tcp" });
    });
    const asker = new Lines(world.lab, "device2", [
      "tests/lab/dns_asker.ts",
      "192.168.100.1",
      "50",
      "otb.local",
    ]);
    let isOver = false;
    try {
      await client.next(({ started }) => started === true);
      const askingSinceMs = Date.now();
      const looking = (async () => {
        while (!isOver) {
          await this.#look().catch(() => {});
          await sleep(Math.min(5_000, this.minutes * 1_000));
        }
      })();
      await this.#spoil();
      isOver = true;
      await looking;
      return await this.#result(client, asker, askingSinceMs);
    } finally {
      isOver = true;
      await Promise.all([client.stop(), asker.stop(), echo.stop()]);
    }
  }

  async #spoil(): Promise<void> {
    const { world, minutes, seed, without } = this;
    const plugins = async (end: End) => (await end.status()).plugins.map(({ name }) => name);
    const targets = {
      links: world.lab.links.map(({ name }) => name),
      box: await plugins(world.box),
      peer: await plugins(world.cloud),
      without,
    };
    const endMs = this.#startMs + minutes * 60_000;
    for (const { pauseMs, fault } of faults(seed, targets)) {
      await sleep(pauseMs);
      if (Date.now() >= endMs) return;
      const fromMs = Date.now();
      try {
        await this.#spoiler.do(fault);
      } catch (error) {
        this.#blame(`${wordsOf(fault)} was not recovered from: ${(error as Error).message.slice(0, 400)}`);
      }
      this.#done.push({ fault, fromMs, toMs: Date.now() });
    }
  }

  /** One look at every process and at conntrack. */
  async #look(): Promise<void> {
    const { world } = this;
    const atS = (Date.now() - this.#startMs) / 1_000;
    for (const [end, role] of [["box", "box"], ["peer", "site1"]] as const) {
      const { pid, plugins, health } = await (end === "box" ? world.box : world.cloud).status();
      for (const one of [{ name: "core", pid }, ...plugins]) {
        const sample = one.pid === undefined ? undefined : lookAt(one.pid, atS);
        // A core that took plugins over has neither pipe nor process handle of them, and both of each that it starts anew.
        if (sample && one.pid === pid) {
          sample.descriptors -= 2 * plugins.filter((plugin) => parentOf(plugin.pid) === pid).length;
        }
        if (sample) this.#of(`${end} ${one.name}`).push(sample);
      }
      for (const { code, plugin, message } of health) {
        if (!code.endsWith("-uncaught")) continue;
        this.#blame(`${end} ${plugin}: ${message}`);
      }
      const { stdout } = await world.lab.spawn(role, ["cat", "/proc/sys/net/netfilter/nf_conntrack_count"], {
        stdin: "null",
        stdout: "piped",
        stderr: "null",
      }).output();
      const count = Number(new TextDecoder().decode(stdout));
      if (Number.isFinite(count)) this.#conntrack[end]!.push(count);
    }
  }

  /** What no fault explains, once. */
  #blame(what: string): void {
    if (this.#broken.some((known) => known.what === what)) return;
    this.#broken.push({ what, fromMs: Date.now(), toMs: Date.now(), of: "always" });
  }

  #of(name: string): Sample[] {
    const samples = this.#samples.get(name) ?? [];
    this.#samples.set(name, samples);
    return samples;
  }

  async #result(client: Lines, asker: Lines, askingSinceMs: number): Promise<SoakResult> {
    await this.#spoiler.countRestarts();
    const answers = Promise.all([
      client.next<
        {
          short: number;
          downloads: number;
          echoes: number;
          echoed: number;
          gaps: { fromMs: number; toMs: number }[];
        }
      >((line) => "echoes" in line),
      asker.next<{ asked: number; lost: number[] }>((line) => "asked" in line),
    ]);
    await Promise.all([client.write("enough"), asker.write("enough")]);
    const [{ short, downloads, echoes, echoed, gaps }, { asked, lost }] = await answers;
    for (const { fromMs, toMs } of gaps) {
      if (toMs - fromMs > BAR_GAP_MS) {
        this.#broken.push({ what: `no datagram for ${toMs - fromMs} ms`, fromMs, toMs, of: "udp" });
      }
    }
    for (const [from, to] of stretches(lost, APART_MS)) {
      if (to - from <= BAR_NAMES_MS) continue;
      const what = `no name was answered for ${to - from} ms`;
      this.#broken.push({ what, fromMs: askingSinceMs + from, toMs: askingSinceMs + to, of: "dns" });
    }
    await this.#spoiler.checkSettings();
    const warmS = Math.min(MOST_WARM_S, this.minutes * 60 * WARM_SHARE);
    const grown = Object.fromEntries([...this.#samples].map(([name, samples]) => {
      const found = growth(samples, warmS);
      return [name, { ...found, pass: isFlat(found, this.minutes) && isSmall(name, found) }];
    }));
    const conntrack = Object.fromEntries(
      Object.entries(this.#conntrack).map(([end, counts]) => {
        const third = Math.max(1, Math.floor(counts.length / 3));
        const [first, last] = [highest(counts.slice(third, 2 * third)), highest(counts.slice(-third))];
        const isShort = this.minutes < LEAST_MINUTES;
        return [end, { first, last, pass: isShort || last <= BAR_CONNTRACK * first + 100 }];
      }),
    );
    const broken = this.#unexplained();
    const kinds = Map.groupBy(this.#done, ({ fault }) => fault.kind);
    return {
      seed: this.seed,
      minutes: round((Date.now() - this.#startMs) / 60_000, 1),
      faults: Object.fromEntries([...kinds].map(([kind, done]) => [kind, done.length])),
      done: this.#done.map(({ fault, fromMs }) =>
        `${round((fromMs - this.#startMs) / 1_000, 1)} ${wordsOf(fault)}`
      ),
      connections: short,
      downloads,
      names: asked,
      namesLost: lost.length,
      datagramsLostShare: round(1 - echoed / Math.max(1, echoes), 4),
      broken,
      growth: grown,
      conntrack,
      pass: broken.length === 0 && Object.values({ ...grown, ...conntrack }).every(({ pass }) => pass),
    };
  }

  /** What broke and no fault may break. */
  #unexplained(): Broken[] {
    return this.#broken.filter(({ fromMs, toMs, of }) =>
      of === "always" ||
      !this.#done.some((done) =>
        MAY_BREAK(done.fault)[of] && done.fromMs <= toMs && fromMs <= done.toMs + AFTER_MS
      )
    ).map(({ what, toMs }) => ({
      what,
      atS: round((toMs - this.#startMs) / 1_000, 1),
      lastFault: wordsOf(this.#done.findLast(({ fromMs }) => fromMs <= toMs)?.fault ?? { kind: "kill-core" }),
    }));
  }
}

/** Whether what grows in a minute stays small over half an hour. */
function isFlat(
  { looks, memoryMb, memoryMbPerMinute, descriptorsPerMinute }: Growth,
  minutes: number,
): boolean {
  if (looks < MIN_LOOKS || minutes < LEAST_MINUTES) return true;
  const memory = memoryMbPerMinute * minutes <= memoryMb * BAR_MEMORY_SHARE + BAR_MEMORY_MB;
  return memory && descriptorsPerMinute * minutes <= BAR_DESCRIPTORS;
}

/** Whether a core's memory is what a core needs, and not what its faults left behind. */
function isSmall(name: string, { memoryMb }: Growth): boolean {
  return !name.endsWith(" core") || memoryMb <= BAR_CORE_MB;
}

function lookAt(pid: number, atS: number): Sample | undefined {
  try {
    const descriptors = [...Deno.readDirSync(`/proc/${pid}/fd`)].length;
    const memory = proportionalMemory(pid);
    return memory === undefined ? undefined : { atS, pid, memoryMb: memory / 1e6, descriptors };
  } catch {
    return undefined;
  }
}

/** Who started a process, as long as that one lives: field 4 of proc_pid_stat(5). */
function parentOf(pid: number | undefined): number | undefined {
  try {
    return Number(Deno.readTextFileSync(`/proc/${pid}/stat`).split(") ")[1]!.split(" ")[1]);
  } catch {
    return undefined;
  }
}

/** The result as lines for a person. */
export function rows(result: SoakResult): string[][] {
  const {
    seed,
    minutes,
    done,
    connections,
    downloads,
    names,
    namesLost,
    datagramsLostShare,
    broken,
    growth,
    conntrack,
  } = result;
  return [
    [`${done.length} faults in ${minutes} min, seed ${seed}`, ...[1, 2].map(() => "")],
    ...Object.entries(result.faults).map(([kind, count]) => [`  ${kind}`, String(count), ""]),
    [
      "short connections; downloads; names",
      `${connections}; ${downloads}; ${names}`,
      `${namesLost} names lost`,
    ],
    ["datagrams lost", `${round(datagramsLostShare * 100, 2)} %`, ""],
    ["broken without a reason", String(broken.length), "bar 0"],
    ...broken.slice(0, 20).map(({ what, atS, lastFault }) => [`  after ${atS} s: ${what}`, lastFault, ""]),
    ...Object.entries(growth).map((
      [name, { memoryMb, memoryMbPerMinute, descriptorsPerMinute, runs, pass }],
    ) => [
      `${name}, ${runs} runs`,
      `${round(memoryMb, 1)} MB, ${round(memoryMbPerMinute, 2)} MB and ${
        round(descriptorsPerMinute, 2)
      } descriptors a minute`,
      pass ? "holds" : "missed",
    ]),
    ...Object.entries(conntrack).map(([end, { first, last, pass }]) => [
      `conntrack of the ${end}`,
      `${first} before, ${last} in the end`,
      pass ? "holds" : "missed",
    ]),
  ];
}

/** Times in stretches of those that follow each other closely, first and last of each. */
function stretches(times: number[], apart: number): [from: number, to: number][] {
  const found: [number, number][] = [];
  for (const time of times.toSorted((a, b) => a - b)) {
    const last = found.at(-1);
    if (last && time - last[1] <= apart) last[1] = time;
    else found.push([time, time]);
  }
  return found;
}

function highest(values: number[]): number {
  return Math.max(0, ...values);
}

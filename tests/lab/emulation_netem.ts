// Links by the kernel: a bridge between both ends of each, netem for delay and loss, and under it tbf for rate and queue
// (tc-netem(8), tc-tbf(8)). What leaves `mod<i>` is downstream, what leaves `net<i>` upstream.
import { type DirectionCounters, type Emulation, type LinkCounters, queueBytes } from "./emulation.ts";
import type { LinkSpec } from "./parse.ts";

/** Packets that netem holds while they are delayed: 2 s at 1 Gbit/s in full packets. */
const LIMIT_PACKETS = 200_000;

/** Runs a command in the namespace `emu` and returns what it printed. */
export type Run = (command: string[], input?: string) => Promise<string>;

/** What was dropped while a direction was cut; netem counts it as loss like any other. */
export interface CutDrops {
  /** Netem's drops when the cut that stands now began; absent while there is none. */
  since?: number;
  /** During cuts that are over. */
  former: number;
}

/** `tc -batch` lines for one direction of a link. Pure. */
export function netemLines(device: string, link: LinkSpec, mbps: number, cut: boolean): string[] {
  const jitter = link.jitterMs ? ` ${link.jitterMs}ms` : "";
  const loss = cut ? 100 : link.lossPercent ?? 0;
  const burst = Math.max(3_028, Math.round(mbps * 1e6 / 8 / 1_000));
  return [
    `qdisc replace dev ${device} root handle 1: netem limit ${LIMIT_PACKETS} delay ${link.delayMs}ms${jitter} loss ${loss}%`,
    `qdisc replace dev ${device} parent 1:1 handle 2: tbf rate ${
      Math.round(mbps * 1000)
    }kbit burst ${burst} limit ${queueBytes(link, mbps)}`,
  ];
}

/** One line of `tc -s -j qdisc show`. */
interface Qdisc {
  kind: string;
  bytes: number;
  packets: number;
  drops: number;
}

/** Figures of one direction from what tc prints. Pure. */
export function netemCounters(qdiscs: Qdisc[], cut: CutDrops): DirectionCounters {
  const netem = qdiscs.find(({ kind }) => kind === "netem");
  const tbf = qdiscs.find(({ kind }) => kind === "tbf");
  const dropped = netem?.drops ?? 0;
  const droppedCut = cut.former + (cut.since === undefined ? 0 : dropped - cut.since);
  return {
    packets: tbf?.packets ?? 0,
    bytes: tbf?.bytes ?? 0,
    droppedQueue: tbf?.drops ?? 0,
    droppedLoss: dropped - droppedCut,
    droppedCut,
  };
}

/** Netem of one lab; `cuts` has `mod<i>` and `net<i>` as keys and is kept by the lab. */
export class NetemEmulation implements Emulation {
  constructor(
    private readonly links: LinkSpec[],
    private readonly cuts: { [device: string]: CutDrops },
    private readonly run: Run,
  ) {}

  async start(): Promise<void> {
    const lines = this.links.flatMap((_, index) => [
      `link add bridge${index + 1} type bridge`,
      `link set mod${index + 1} master bridge${index + 1}`,
      `link set net${index + 1} master bridge${index + 1}`,
      `link set bridge${index + 1} up`,
    ]);
    await this.run(["ip", "-batch", "-"], lines.join("\n"));
  }

  async shape(index: number, link: LinkSpec): Promise<void> {
    const lines = (["down", "up"] as const).flatMap((direction) => {
      const device = deviceOf(index, direction);
      const mbps = direction === "down" ? link.downMbps : link.upMbps;
      return netemLines(device, link, mbps, this.cuts[device]?.since !== undefined);
    });
    await this.run(["tc", "-batch", "-"], lines.join("\n"));
  }

  async cut(index: number): Promise<void> {
    for (const direction of ["down", "up"] as const) {
      const device = deviceOf(index, direction);
      const former = this.cuts[device] ?? { former: 0 };
      this.cuts[device] = { ...former, since: former.since ?? await this.#drops(device) };
    }
    await this.shape(index, this.links[index]!);
  }

  async restore(index: number): Promise<void> {
    for (const direction of ["down", "up"] as const) {
      const device = deviceOf(index, direction);
      const { since, former } = this.cuts[device] ?? { former: 0 };
      this.cuts[device] = { former: former + (since === undefined ? 0 : await this.#drops(device) - since) };
    }
    await this.shape(index, this.links[index]!);
  }

  async counters(): Promise<LinkCounters[]> {
    const of = async (index: number, direction: "down" | "up") => {
      const device = deviceOf(index, direction);
      return netemCounters(await this.#qdiscs(device), this.cuts[device] ?? { former: 0 });
    };
    return await Promise.all(
      this.links.map(async ({ name }, index) => ({
        link: name,
        up: await of(index, "up"),
        down: await of(index, "down"),
      })),
    );
  }

  async #drops(device: string): Promise<number> {
    return (await this.#qdiscs(device)).find(({ kind }) => kind === "netem")?.drops ?? 0;
  }

  async #qdiscs(device: string): Promise<Qdisc[]> {
    return JSON.parse(await this.run(["tc", "-s", "-j", "qdisc", "show", "dev", device]));
  }
}

function deviceOf(index: number, direction: "down" | "up"): string {
  return `${direction === "down" ? "mod" : "net"}${index + 1}`;
}

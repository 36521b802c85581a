// One trial of the tunnel in virtual time: links, what is sent over them, and the figures that the bars are about.
import { Clock, type Host, type LinkOptions, OVERHEAD_BYTES, Tunnel } from "./links.ts";
import { call, Constant, Download, type Seen } from "./sources.ts";

export interface Trial {
  links: LinkOptions[];
  /** So many downloads, one more each `staggerS` seconds. */
  downloads?: number;
  staggerS?: number;
  /**
   * A flow of constant rate, as a share of the sum of the links' rates, its packets counted as they go over the
   * links.
   */
  constantShare?: number;
  call?: boolean;
  /** Not counted, and counted. */
  warmS?: number;
  seconds?: number;
  seed?: number;
  host?: Host;
}

/** What came of it; shares of rates count packets as they go over the links. */
export interface Figures {
  mbps: number;
  shareOfSum: number;
  /** Share of packets that the application saw after one with a higher number. */
  reordered: number;
  longestGapMs: number;
  /** Of the call; NaN without. */
  callDelayP95Ms: number;
  callLoss: number;
}

const PACKET_BYTES = 1280;
const WIRE = (PACKET_BYTES + OVERHEAD_BYTES) / PACKET_BYTES;

/** Runs the trial. */
export function run(trial: Trial): Figures {
  const { links, downloads = 0, staggerS = 0, constantShare, warmS = 5, seconds = 15, seed = 1, host } =
    trial;
  const clock = new Clock();
  const tunnel = new Tunnel(clock, links, { seed, host });
  const ackUs = Math.min(...links.map(({ rttMs }) => rttMs)) * 500;
  const sum = links.reduce((mbps, link) => mbps + link.mbps, 0);
  const flows: Seen[] = [];
  for (let index = 0; index < downloads; index++) {
    clock.run(index * staggerS * 1e6);
    flows.push(new Download(tunnel, { source: 100 + index, sourcePort: 443 }, ackUs));
  }
  if (constantShare) {
    flows.push(new Constant(tunnel, { source: 50 }, constantShare * sum / WIRE, PACKET_BYTES));
  }
  const voice = trial.call ? call(tunnel) : undefined;
  clock.run(warmS * 1e6);
  for (const seen of [...flows, ...voice ? [voice] : []]) seen.reset();
  clock.run((warmS + seconds) * 1e6);
  const bytes = flows.reduce((all, seen) => all + seen.bytes, 0);
  const received = flows.reduce((all, seen) => all + seen.received, 0);
  const mbps = bytes * 8 * WIRE / seconds / 1e6;
  return {
    mbps,
    shareOfSum: mbps / sum,
    reordered: flows.reduce((all, seen) => all + seen.reordered, 0) / received,
    longestGapMs: Math.max(...flows.map(({ longestGapUs }) => longestGapUs / 1000)),
    callDelayP95Ms: voice ? voice.delayMs(0.95) : NaN,
    callLoss: voice ? Math.max(0, 1 - voice.received / voice.sent) : NaN,
  };
}

/** What the best of the links alone would have given. */
export function bestAlone(trial: Trial): Figures {
  return trial.links.map((link) => run({ ...trial, links: [link] })).reduce((a, b) =>
    a.mbps > b.mbps ? a : b
  );
}

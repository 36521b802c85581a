// From what was sampled of a path to what is told of it. Pure.
import type { FirstPathFact, PathFact, Tier } from "@otb/plugin";
import type { Verdict } from "./endpoints.ts";
import type { PathSample } from "./telemetry.ts";

function rateOf(sample: PathSample | undefined): number {
  return sample ? sample.rxBitsPerSecond + sample.txBitsPerSecond : 0;
}

/** Both directions of all paths together, bits per second. */
export function totalRate(paths: Map<string, PathSample>): number {
  return [...paths.values()].reduce((sum, sample) => sum + rateOf(sample), 0);
}

/** What a path carries, bits per second: as PathFact tells it. */
export interface PathRates {
  rx: number;
  tx: number;
  acknowledged: number;
}

/** The rates of a path as far as its sockets tell them. */
export function socketRates(sample: PathSample): PathRates {
  return { rx: sample.rxBitsPerSecond, tx: sample.txBitsPerSecond, acknowledged: rateOf(sample) };
}

/** @param isUsed it has an address and routes @param verdict undefined: nobody has looked at it yet */
export function pathState(tier: Tier, isUsed: boolean, verdict: Verdict | undefined): PathFact["state"] {
  if (tier === "never" || !isUsed) return "down";
  if (verdict?.out) return "suspect";
  return tier === "backup" || tier === "secondary" && !verdict?.promoted ? "standby" : "active";
}

/** What is told of a path; `total` is the traffic of all, `transport` how streams are meant to use several links. */
export function pathFact(
  link: string,
  peer: string,
  state: PathFact["state"],
  sample: PathSample | undefined,
  { rx, tx, acknowledged }: PathRates,
  total: number,
  transport: FirstPathFact["transport"] = "mptcp",
): PathFact {
  const { subflows, plain } = sample ?? { subflows: 0, plain: 0 };
  const protocol = subflows > 0
    ? "mptcp"
    : plain === 0
    ? "unknown"
    : transport === "striped"
    ? "striped"
    : "tcp";
  return {
    link,
    peer,
    state,
    protocol,
    rttMs: sample?.rttMs,
    minRttMs: sample?.minRttMs,
    loss: sample?.loss,
    lineLoss: sample?.lineLoss,
    rxBitsPerSecond: Math.round(rx),
    txBitsPerSecond: Math.round(tx),
    acknowledgedBitsPerSecond: Math.round(acknowledged),
    share: total > 0 ? Math.round((rx + tx) / total * 1000) / 1000 : 0,
    subflows: protocol === "striped" ? plain : subflows,
    congestion: sample?.congestion ?? "",
  };
}

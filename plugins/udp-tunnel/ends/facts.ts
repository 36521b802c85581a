// The tunnel's paths for other plugins and for people.
import ipaddr from "ipaddr.js";
import { decodeAddress } from "../../../core/native/ffi.ts";
import type { PathDirection, TunnelPathFact } from "@otb/plugin";
import type { PathStatus } from "../page.ts";
import type { TunnelPath } from "../paths/path.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** How a path is now. @param link the fact's name for it @param isCloud what this end sends goes down to the box */
export function pathFact(
  path: TunnelPath,
  link: string,
  nowUs: number,
  nowMs: number,
  isCloud: boolean,
): TunnelPathFact {
  const { sentBitsPerSecond, receivedBitsPerSecond } = path.usage(nowUs);
  const { probe } = path;
  const out: PathDirection = {
    rateBitsPerSecond: Math.round(probe.rateBitsPerSecond),
    isStarting: probe.isStarting,
    usedBitsPerSecond: sentBitsPerSecond,
    queueMs: tenths(path.farQueueUs / 1_000),
    loss: Math.round(probe.lossRatio * 1e4) / 1e4,
  };
  const back: PathDirection = {
    rateBitsPerSecond: path.farRateBitsPerSecond,
    isStarting: path.isFarStarting,
    usedBitsPerSecond: receivedBitsPerSecond,
    queueMs: tenths(path.queueUs / 1_000),
    loss: Math.round(path.farLoss * 1e4) / 1e4,
  };
  const seen = isCloud ? path.remote : path.observed;
  const address = seen && decodeAddress(seen);
  return {
    link,
    state: path.isWished ? path.liveness.state : "down",
    reason: path.isWished ? undefined : "it is not to be used",
    publicAddress: address?.host,
    publicPort: address?.port,
    rttMs: path.roundTrip.isKnown ? tenths(path.roundTrip.smoothedUs / 1_000) : undefined,
    mtu: path.mtu.mtu,
    ...path.report ? isCloud ? { up: back, down: out } : { up: out, down: back } : {},
    atMs: nowMs,
  };
}

export function pathStatus(path: TunnelPath): PathStatus {
  return {
    path: path.name,
    state: path.isWished ? path.liveness.state : "unused",
    rttMs: path.roundTrip.isKnown ? tenths(path.roundTrip.smoothedUs / 1_000) : null,
    mtu: path.mtu.mtu,
    rateMbps: tenths(path.probe.rateBitsPerSecond / 1e6),
    lossPercent: tenths(path.probe.lossRatio * 100),
  };
}

/** Four or sixteen bytes as people write them. */
export function addressText(bytes: Bytes): string {
  return ipaddr.fromByteArray([...bytes]).toString();
}

/** The upper half of a prefix as a /64. */
export function prefixText(upper: Bytes | undefined): string | undefined {
  return upper && `${ipaddr.fromByteArray([...upper, ...new Uint8Array(8)]).toString()}/64`;
}

function tenths(value: number): number {
  return Math.round(value * 10) / 10;
}

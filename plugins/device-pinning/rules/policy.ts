// What a rule comes to, given which links are alive and whether a peer answers: the one place that knows, for the kernel's
// table and for `why` alike. Pure.
import type { TcpWayFact } from "@otb/plugin";
import type { Config, Rule } from "../config.ts";

/** A link's way out around the peer, as judged now. */
export interface Way {
  link: string;
  interface: string;
  /** Under MARK.link. */
  mark: number;
  /** For whoever asks for no particular link; one of tier `never` is only for who is pinned to it. */
  general: boolean;
  usable: boolean;
  /** Why not, or what is the matter with it, in words. */
  reason?: string;
}

/** The tunnel to the peer, as judged now. */
export interface Tunnel {
  /** `waiting`: it may come, or come back, within moments. */
  state: "up" | "waiting" | "down";
  /** Why it is not up, in words. */
  reason?: string;
  /** The largest packet that it takes, bytes. */
  mtu?: number;
}

/** What decisions depend on beside the rules. */
export interface Situation {
  config: Config;
  /** Every link with a way out, the best first. */
  ways: Way[];
  /** No peer answers the proxy, and that long enough. */
  proxyGone: boolean;
  /** The same, and there is no tunnel to any either. */
  peerGone: boolean;
  tunnel: Tunnel;
  /** By which way bonded TCP goes, as the proxy tells. */
  tcpWay: TcpWayFact["way"];
}

/**
 * Where a connection goes: over all links to the peer, out by a link (`open`: for want of anything bonded), or back with a
 * refusal; `because` says why not as usual.
 */
export type Outcome =
  | { kind: "bonded"; by?: "proxy" | "tunnel"; because?: string }
  | { kind: "link"; way: Way; open: boolean; because?: string }
  | { kind: "refuse"; reason: string };

/** What a rule says while links are as they are; what is bonded then follows `bondedOutcome`. */
export function ruleOutcome({ way, link, ifDead }: Rule, { ways }: Situation): Outcome {
  if (way === "bonded") return { kind: "bonded" };
  if (way === "block") return { kind: "refuse", reason: "the rule blocks it" };
  const wished = ways.find((candidate) => candidate.link === link);
  if (wished?.usable) return { kind: "link", way: wished, open: false };
  if (ifDead === "bonded") return { kind: "bonded" };
  const other = ifDead === "other-link" ? bestWay(ways) : undefined;
  if (other) return { kind: "link", way: other, open: false };
  return {
    kind: "refuse",
    reason: `link "${link}" is dead${
      ifDead === "block" ? " and the rule blocks it then" : " and so is every other"
    }`,
  };
}

/** What a bonded connection comes to; `closed` when its device must not leave past the peer. */
export function bondedOutcome(tcp: boolean, closed: boolean, situation: Situation): Outcome {
  const { config: { nonTcp }, ways, tcpWay, peerGone, tunnel } = situation;
  if (!peerGone) {
    if (tcp && tcpWay === "tunnel") {
      return { kind: "bonded", by: "tunnel", because: "the peer's proxy does not answer" };
    }
    if (tcp) return { kind: "bonded", by: "proxy" };
    if (nonTcp === "block") return { kind: "refuse", reason: "the setting nonTcp blocks what is not TCP" };
    if (nonTcp === "tunnel" && tunnel.state !== "down") return { kind: "bonded", by: "tunnel" };
  }
  const because = peerGone
    ? "no peer answers"
    : nonTcp === "tunnel"
    ? `the tunnel is down (${tunnel.reason ?? "nobody knows why"})`
    : "the setting nonTcp sends what is not TCP past the peer";
  if (closed) {
    return { kind: "refuse", reason: `${because}, and the kill-switch lets nothing leave past the peer` };
  }
  const way = bestWay(ways);
  return way ? { kind: "link", way, open: true, because } : { kind: "refuse", reason: "no link is alive" };
}

/** Whether what goes through the tunnel has nowhere to go. */
export function isTunnelDead({ peerGone, tunnel }: Pick<Situation, "peerGone" | "tunnel">): boolean {
  return peerGone || tunnel.state === "down";
}

/** The best usable link for whoever asks for no particular one. */
export function bestWay(ways: Way[]): Way | undefined {
  return ways.find(({ usable, general }) => usable && general);
}

/** Devices whose own setting differs from, or sharpens, the box's kill-switch. */
export function exceptions({ devices }: Config): { open: string[]; closed: string[] } {
  const having = (wish: "direct" | "block") =>
    Object.keys(devices).filter((mac) => devices[mac]!.whenPeerGone === wish).sort();
  return { open: having("direct"), closed: having("block") };
}

/** Whether a device must not leave past the peer. */
export function isClosed(config: Config, mac: string | undefined): boolean {
  return (config.devices[mac ?? ""]?.whenPeerGone ?? config.whenPeerGone) === "block";
}

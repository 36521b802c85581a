// How large a packet inside the tunnel may be. Pure.
import type { TunnelPath } from "../paths/path.ts";
import { IPV4_UDP_BYTES, MOST_INNER_MTU, OVERHEAD_BYTES } from "../wire.ts";

/** IPv6 wants at least that much (RFC 8200 section 5); what a path can't carry goes in two halves. */
const LEAST = 1280;

/** What goes through whole on every path that is used, bytes of an IP packet. */
export function innerMtu(paths: readonly (TunnelPath | undefined)[]): number {
  let least = MOST_INNER_MTU;
  for (const path of paths) {
    if (!path?.isWished || path.liveness.state !== "up") continue;
    least = Math.min(least, path.mtu.mtu - path.ipUdpBytes - (OVERHEAD_BYTES - IPV4_UDP_BYTES));
  }
  return Math.max(LEAST, least);
}

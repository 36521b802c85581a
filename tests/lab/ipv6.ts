// IPv6 in a lab, where its maker asks for it: the server, the sites and the Internet between them, and on the LAN the box and
// its devices. Links and modems have none. Pure.

/** The server, and the peer as the Internet sees it. */
export const SERVER_IPV6 = "2001:db8:9::10", PEER_IPV6 = "2001:db8:1::11";

/** Routed to the peer, as a provider does; the devices' own addresses are in it. */
export const PEER_PREFIX = "2001:db8:100::/48";

/** Lines for a shell in the namespace of a role, after its devices are up. */
export function ipv6Lines(role: string): string[] {
  const address = (cidr: string, device: string) => `ip address add ${cidr} dev ${device} nodad`;
  const way = (gateway: string) => `ip route add default via ${gateway}`;
  const device = /^device(\d+)$/.exec(role)?.[1];
  const own = device ? [address(`2001:db8:100::${9 + Number(device)}/64`, "eth0"), way("2001:db8:100::1")] : {
    inet: [
      "echo 1 > /proc/sys/net/ipv6/conf/all/forwarding",
      address("2001:db8:9::1/64", "server"),
      address("2001:db8:1::9/64", "site1"),
      address("2001:db8:2::9/64", "site2"),
      `ip route add ${PEER_PREFIX} via ${PEER_IPV6}`,
    ],
    server: [address(`${SERVER_IPV6}/64`, "eth0"), way("2001:db8:9::1")],
    site1: [address(`${PEER_IPV6}/64`, "eth0"), way("2001:db8:1::9")],
    site2: [address("2001:db8:2::22/64", "eth0"), way("2001:db8:2::9")],
    box: [address("2001:db8:100::1/64", "lan0")],
  }[role];
  if (!own) return [];
  return ["for f in all default; do echo 0 > /proc/sys/net/ipv6/conf/$f/disable_ipv6; done", ...own];
}

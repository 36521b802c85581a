// The page of the LAN's DHCP: how it stands, what to do about it, and the addresses that are given.
import { type Block, page } from "@otb/plugin";
import { type DhcpStatus, type Lease, leaseTable, statusBlocks } from "./status_blocks.ts";

export const dhcpPage = page({
  title: "DHCP",
  nav: "network",
  blocks(status, view) {
    if (!status.phase) return [];
    const { ipv6, leases } = status as unknown as { ipv6: string; leases: Lease[] };
    return [
      ...statusBlocks(status as unknown as DhcpStatus, view),
      ...ipv6 ? [{ kind: "stat", label: "IPv6", value: ipv6 } satisfies Block] : [],
      leaseTable(leases),
      ...["takeover", "confirm", "undo", "reserve"].map((action): Block => ({ kind: "form", action })),
    ];
  },
});

// What is near, the LAN and the modems' own pages, is reached as the main table says, and not through the tunnel. Pure.
import { type Resource, ROUTING_TABLE, RULE_PRIORITY } from "@otb/plugin";
import type { Wish } from "./rules/compile.ts";

/** Rules that keep packets of devices for near subnets out of the tunnel. */
export function besideTunnel({ lan, near }: Pick<Wish, "lan" | "near">): Resource[] {
  return [...new Set([lan.address, ...near])].sort().map((to): Resource => ({
    kind: "rule",
    family: to.includes(":") ? 6 : 4,
    priority: RULE_PRIORITY.near,
    inputInterface: lan.interface,
    to,
    table: ROUTING_TABLE.main,
  }));
}

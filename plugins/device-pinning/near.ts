// What is near, the LAN and the modems' own pages, is reached as the main table says, and not through the tunnel. Pure.
import type { Resource } from "../../core/plugin.ts";
import type { Wish } from "./compile.ts";

/** Before the tunnel's own rule, which takes everything from the LAN that nothing else is said of. */
const PRIORITY = 940;
const MAIN_TABLE = 254;

/** Rules that keep packets of devices for near subnets out of the tunnel. */
export function besideTunnel({ lan, near }: Pick<Wish, "lan" | "near">): Resource[] {
  return [...new Set([lan.address, ...near])].sort().map((to): Resource => ({
    kind: "rule",
    family: to.includes(":") ? 6 : 4,
    priority: PRIORITY,
    inputInterface: lan.interface,
    to,
    table: MAIN_TABLE,
  }));
}

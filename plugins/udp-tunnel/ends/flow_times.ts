// How long the kernel remembers UDP flows that fall silent, at both ends.
//
// Who registered a phone is called back minutes later: 5 minutes are what RFC 4787 (REQ-5) recommends. Linux has 30 s for what
// was answered at once and 120 s for the rest. A question and its answer need no more than that, and who has very many flows
// (BitTorrent's table of nodes) gets no more for further ones, so that its share of the kernel's table, and what others have of
// it, lasts as before.

import type { Context, Resource } from "@otb/plugin";
import type { Words } from "../texts/mod.ts";

/** Silence in seconds, before and after the first answer: for a flow, and for what has to do with less. */
const LASTING = 300, BRIEF = { unreplied: 30, replied: 120 };
/** Ports of questions with one answer: names and time (RFC 4787 lets well-known ports have less). */
const QUESTIONS = "{ 53, 123 }";
/** Whose flows are counted at once, at most. */
const MOST_COUNTED = 4_096;

/** Who flows come from, and who each belongs to, as nft says it for each family, with the type of that. */
interface Owner {
  interface: string;
  key4: string;
  type4: string;
  key6: string;
  type6: string;
  /** So many flows of one owner are remembered for long. */
  most: number;
}

/** The table of the box: flows of its LAN, by device, whichever way they leave, and whether there is a tunnel or not. */
export function lanFlows(lan: string | undefined): Resource[] {
  const device = { key: "ether saddr", type: "ether_addr" };
  return lan === undefined ? [] : flowTable({
    interface: lan,
    ...{ key4: device.key, type4: device.type, key6: device.key, type6: device.type },
    most: 1_024,
  });
}

/** The table of the peer: flows that come out of the tunnel, by the box's address inside; of IPv6 each has a /64. */
export function boxFlows(device: string): Resource[] {
  return flowTable({
    interface: device,
    ...{ key4: "ip saddr", type4: "ipv4_addr" },
    ...{ key6: "ip6 saddr and ffff:ffff:ffff:ffff::", type6: "ipv6_addr" },
    most: 4_096,
  });
}

/** Has the kernel do so; one that cannot is no reason to go without a tunnel. */
export async function rememberFlows(
  ctx: Pick<Context<unknown, Words>, "claim" | "health">,
  flows: Resource[],
): Promise<void> {
  try {
    await ctx.claim("flows", flows);
    ctx.health.clear("tunnel-flows-brief");
  } catch (error) {
    ctx.health.raise("tunnel-flows-brief", { reason: (error as Error).message });
  }
}

function flowTable({ interface: from, key4, type4, key6, type6, most }: Owner): Resource[] {
  const policy = (unreplied: number, replied: number) =>
    `policy = { unreplied : ${unreplied}, replied : ${replied} }`;
  const families = [[4, "ip", key4, type4], [6, "ip6", key6, type6]] as const;
  return [{
    kind: "nftTable",
    family: "inet",
    name: "otb_udp_flows",
    body: `${
      families.map(([family, word, , type]) => `
  ct timeout lasting${family} {
    protocol udp; l3proto ${word}; ${policy(LASTING, LASTING)}
  }
  ct timeout brief${family} {
    protocol udp; l3proto ${word}; ${policy(BRIEF.unreplied, BRIEF.replied)}
  }
  set busy${family} {
    type ${type}; size ${MOST_COUNTED}; flags dynamic
  }`).join("")
    }
  chain forward {
    type filter hook forward priority filter - 10; policy accept;
    iifname != "${from}" return
    meta l4proto != udp return
    ct state != new return
    ct status confirmed return
${
      families.map(([family, , key]) =>
        `    meta nfproto ipv${family} udp dport ${QUESTIONS} ct timeout set "brief${family}" return
    meta nfproto ipv${family} add @busy${family} { ${key} ct count over ${most} } ct timeout set "brief${family}" return
    meta nfproto ipv${family} ct timeout set "lasting${family}"`
      ).join("\n")
    }
  }
`,
  }];
}

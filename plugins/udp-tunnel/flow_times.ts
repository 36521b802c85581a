// How long the kernel remembers UDP flows that fall silent, at both ends. Pure.
//
// Who registered a phone is called back minutes later: 5 minutes are what RFC 4787 (REQ-5) recommends. Linux has 30 s for what
// was answered at once and 120 s for the rest. A question and its answer need no more than that, and who has very many flows
// (BitTorrent's table of nodes) gets no more for further ones, so that its share of the kernel's table, and what others have of
// it, lasts as before.

/** Silence in seconds, before and after the first answer: for a flow, and for what has to do with less. */
const LASTING = 300, BRIEF = { unreplied: 30, replied: 120 };
/** Ports of questions with one answer: names and time (RFC 4787 lets well-known ports have less). */
const QUESTIONS = "{ 53, 123 }";
/** Whose flows are counted at once, at most. */
const MOST_COUNTED = 4_096;

/** Who a flow belongs to, as nft says it for each family, and the type of that. */
export interface Owner {
  key4: string;
  type4: string;
  key6: string;
  type6: string;
}

/** Devices of a LAN. */
export const DEVICES: Owner = {
  key4: "ether saddr",
  type4: "ether_addr",
  key6: "ether saddr",
  type6: "ether_addr",
};
/** Boxes of a peer, by their addresses inside; of IPv6 each has a /64. */
export const BOXES: Owner = {
  key4: "ip saddr",
  type4: "ipv4_addr",
  key6: "ip6 saddr and ffff:ffff:ffff:ffff::",
  type6: "ipv6_addr",
};

/**
 * Lines of an nftables table with the chain `remember`, to be jumped to in the forward hook: a new UDP flow is remembered for long,
 * beyond `most` of its owner briefly.
 */
export function flowTimes(owner: Owner, most: number): string {
  const policy = (unreplied: number, replied: number) =>
    `policy = { unreplied : ${unreplied}, replied : ${replied} }`;
  const families = [[4, "ip", owner.key4, owner.type4], [6, "ip6", owner.key6, owner.type6]] as const;
  return `${
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
  chain remember {
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
`;
}

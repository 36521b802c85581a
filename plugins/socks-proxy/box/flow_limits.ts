// What the kernel is asked for so that no device of the LAN fills its table of connections, whatever the protocol, and
// whose flows it dropped.
import { type Resource, runCommand } from "@otb/plugin";

/** New flows of one device, per second and at once; what comes faster is dropped unseen. */
const PER_SECOND = 1_000, BURST = 4_000;
/** Devices that are counted at once. */
const MOST_DEVICES = 4_096;
/** Who was refused is remembered for so long, seconds. */
const REFUSED_SECONDS = 120;
/** The table of these limits; its family is inet. */
const TABLE = "otb_device_flows";

/**
 * The claim that drops what a device opens beyond so many flows. Only what is not in the table yet is looked at; what is
 * there goes on. Closed TCP does not count (nf_conncount). Dropped, as an answer would put the flow into the table after all;
 * the kernel notes whose it was.
 */
export function flowLimits(lan: string | undefined, perDevice: number): Resource[] {
  if (lan === undefined) return [];
  return [{
    kind: "nftTable",
    family: "inet",
    name: TABLE,
    body: `
  set counted {
    type ether_addr; size ${MOST_DEVICES}; flags dynamic
  }
  set hurried {
    type ether_addr; size ${MOST_DEVICES}; flags dynamic,timeout; timeout 10s
  }
  set refused {
    type ether_addr; size ${MOST_DEVICES}; flags dynamic,timeout; timeout ${REFUSED_SECONDS}s
  }
  chain prerouting {
    type filter hook prerouting priority mangle - 10; policy accept;
    iifname != "${lan}" return
    ct state != new return
    ct status confirmed return
    update @hurried { ether saddr limit rate over ${PER_SECOND}/second burst ${BURST} packets } goto refuse
    add @counted { ether saddr ct count over ${perDevice} } goto refuse
  }
  chain refuse {
    update @refused { ether saddr }
    drop
  }
`,
  }];
}

/** MAC addresses of devices whose flows were dropped within the last two minutes, sorted; none where nft(8) has no answer. */
export async function refusedFlows(
  nft: (words: string[]) => Promise<string | undefined> = ask,
): Promise<string[]> {
  const text = await nft(["-j", "list", "set", "inet", TABLE, "refused"]);
  return text === undefined ? [] : parseRefused(text);
}

/** The members of the one set in the JSON of nft(8), libnftables-json(5). */
function parseRefused(text: string): string[] {
  const found: string[] = [];
  for (const { set } of JSON.parse(text).nftables) {
    for (const { elem } of set?.elem ?? []) if (typeof elem?.val === "string") found.push(elem.val);
  }
  return found.sort();
}

async function ask(words: string[]): Promise<string | undefined> {
  const { success, stdout } = await runCommand("nft", { args: words, stderr: "null" });
  return success ? stdout : undefined;
}

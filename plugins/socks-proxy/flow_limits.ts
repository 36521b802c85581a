// What the kernel is asked for so that no device of the LAN fills its table of connections, whatever the protocol. Pure.
import type { Resource } from "../../core/plugin.ts";

/** New flows of one device, per second and at once; what comes faster is dropped unseen. */
const PER_SECOND = 1_000, BURST = 4_000;
/** Devices that are counted at once. */
const MOST_DEVICES = 4_096;

/**
 * The claim that drops what a device opens beyond so many flows. Only what is not in the table yet is looked at; what is
 * there goes on. Closed TCP does not count (nf_conncount). Dropped, as an answer would put the flow into the table after all.
 */
export function flowLimits(lan: string | undefined, perDevice: number): Resource[] {
  if (lan === undefined) return [];
  return [{
    kind: "nftTable",
    family: "inet",
    name: "otb_device_flows",
    body: `
  set counted {
    type ether_addr; size ${MOST_DEVICES}; flags dynamic
  }
  set hurried {
    type ether_addr; size ${MOST_DEVICES}; flags dynamic,timeout; timeout 10s
  }
  chain prerouting {
    type filter hook prerouting priority mangle - 10; policy accept;
    iifname != "${lan}" return
    ct state != new return
    ct status confirmed return
    update @hurried { ether saddr limit rate over ${PER_SECOND}/second burst ${BURST} packets } drop
    add @counted { ether saddr ct count over ${perDevice} } drop
  }
`,
  }];
}

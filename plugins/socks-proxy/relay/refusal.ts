// Targets that refused a device or stayed silent. The device's connection was accepted before that was known, and is reset;
// its next one is refused at the SYN, as the target itself would have done, so that programs go on to the next address of a
// name.
import type { Native } from "../../../core/native/ffi.ts";
import { hex, MARK } from "@otb/plugin";

/** How long it is refused, and how many targets of devices at once. */
const SECONDS = 10, MOST = 4_096;

/**
 * Ends a device's connection with a reset by which the kernel knows: it refuses the next before the device has heard of this one.
 * Of each device apart, as one may be refused what another is not.
 */
export function refuse(native: Native, fd: number): void {
  native.setMark(fd, MARK.refused);
  native.abort(fd);
}

/** What nftables (nft(8)) needs for that: a set and a chain of a table, and a rule for who opens. Pure. */
export function refusals(family: 4 | 6): { parts: string; rule: string } {
  const [ip, type] = family === 4 ? ["ip", "ipv4_addr"] : ["ip6", "ipv6_addr"];
  const mark = hex(MARK.refused);
  return {
    parts: `
  set refused {
    type ${type} . ${type} . inet_service; size ${MOST}; flags dynamic,timeout; timeout ${SECONDS}s
  }
  chain output {
    type filter hook output priority mangle; policy accept;
    meta mark and ${mark} == ${mark} tcp flags & rst == rst update @refused { ${ip} daddr . ${ip} saddr . tcp sport }
  }`,
    rule:
      `tcp flags & (syn | ack) == syn ${ip} saddr . ${ip} daddr . tcp dport @refused reject with tcp reset`,
  };
}

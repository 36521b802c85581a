// What the LAN loses when the box stops while it is the one that gives addresses: said before it happens, with a better way. Pure.
import { duration, type Loss } from "@otb/plugin";
import type { DhcpStatus } from "./status_blocks.ts";

/** Settings of the server that matter to devices that it leaves. */
export interface LeaseTimes {
  trialLeaseSeconds: number;
  leaseSeconds: number;
  renewSeconds: number;
}

/** What devices lose when this box stops; undefined when others give them their addresses. */
export function lossOf(
  { serving, servers }: Pick<DhcpStatus, "serving" | "servers">,
  { trialLeaseSeconds, leaseSeconds, renewSeconds }: LeaseTimes,
): Loss | undefined {
  if (serving === "no") return undefined;
  const isConfirmed = serving === "confirmed";
  const lease = isConfirmed ? leaseSeconds : trialLeaseSeconds;
  // Half a lease to the first question and seven eighths to the last one where nothing else was said (RFC 2131 section 4.4.5).
  const asksAll = isConfirmed ? Math.min(renewSeconds * 1.5, lease) : lease * 7 / 8;
  const canGiveBack = serving !== "for-modem" && servers.some(({ router, network }) => router && network);
  return {
    ...canGiveBack
      ? {
        instead: {
          question: "Give them back first, and stop later?",
          action: "undo",
          then: "It still runs. Stop it once the modem's server answers: otb dhcp status tells.",
        },
      }
      : {},
    sentences: [
      "The box gives the LAN's devices their addresses and is their way out: once it stops they reach nothing.",
      `A device keeps its address and looks for another DHCP server within ${duration(asksAll * 1000)}` +
      `${
        asksAll < lease ? `, some only after ${duration(lease * 1000)}` : ""
      }; with its cable or Wi-Fi off and on, at once.`,
      serving === "for-modem"
        ? "They are given back, but the modem's own DHCP server does not answer yet: switch it on first (otb dhcp status)."
        : canGiveBack
        ? "Give them back to the modem first: otb dhcp undo leads them there. Then switch its DHCP server on, and stop."
        : "Nobody is known to whom they could be given back: have another DHCP server on the LAN first.",
    ],
  };
}

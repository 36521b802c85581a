// The last step of a box's first setup: how devices come to use it, by its own DHCP or by hand. Pure.
import type { GuideStep, Viewer } from "@otb/plugin";
import { type DhcpStatus, statusBlocks } from "./status_blocks.ts";

/** What to do while nothing was begun. */
export const BEGIN =
  "sudo otb dhcp takeover; or set the gateway in your own DHCP server, or by hand on a device.";

/** How far it is; `gateway` is the box's own address on the LAN. */
export function guideStep(status: DhcpStatus, gateway: string, view: Viewer): GuideStep {
  const { phase } = status;
  // Seconds that run and leases that come are no news; how many seconds it will be is said once.
  const calm = { ...status, confirmByMs: undefined, poolSize: 0 };
  const how = {
    waits: "Looking who gives addresses",
    blocks: statusBlocks(calm, view),
    news: JSON.stringify(statusBlocks({ ...calm, silentByMs: undefined }, view)),
  };
  if (phase === "off") {
    return {
      ...how,
      state: "open",
      next: BEGIN,
      question: {
        intro:
          "Devices must use the box as their gateway. It can be their DHCP server: it says which other servers to\n" +
          "switch off and how, tries it, and gives back what nobody confirms.",
        text: "Shall the box give devices their addresses?",
        usual: true,
        yes: { action: "takeover" },
        no: {
          says: `Then set ${gateway} as gateway in your own DHCP server, or by hand on a device.`,
          waits: "Waiting for the first device",
        },
      },
    };
  }
  return {
    ...how,
    state: phase === "confirmed" ? "done" : "going",
    next: "sudo otb dhcp status says what to do.",
    ...phase === "trial"
      ? {
        question: {
          text: "Try a device: switch its Wi-Fi or cable off and on, and open a page. Does it work?",
          yes: { action: "confirm" },
          no: {
            action: "undo",
            says: "Given back. Switch the modem's own DHCP server on again.",
            leaves: true,
          },
          left: "It is given back by itself unless kept: otb dhcp confirm",
        },
      }
      : {},
  };
}

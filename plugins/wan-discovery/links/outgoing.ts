// What a link's client sends, as Ethernet frames. Pure.
import { ANY, BROADCAST, type Bytes } from "../frames/addresses.ts";
import { CLIENT_PORT, encode, SERVER_PORT } from "../frames/dhcp.ts";
import { arpFrame, arpProbe, udpFrame } from "../frames/frames.ts";
import type { Outgoing } from "./lease.ts";
import type { PlannedLink } from "../search/known.ts";

/** What a link's client wants to send, in its frame. */
export function frameOf({ deviceMac, server, mac }: PlannedLink, outgoing: Outgoing): Bytes {
  if (outgoing.kind === "arp-probe") return arpProbe(deviceMac, outgoing.address);
  if (outgoing.kind === "arp-announcement") {
    const { address } = outgoing;
    return arpFrame({
      ...{ operation: "request", senderMac: deviceMac, sender: address },
      ...{ targetMac: "00:00:00:00:00:00", target: address },
    });
  }
  const { message, toServer } = outgoing;
  return udpFrame({
    fromMac: deviceMac,
    // To that modem alone, also where it reads "to everybody": another one with the same address must not answer.
    toMac: server?.mac ?? mac,
    from: message.clientAddress ?? ANY,
    to: toServer ? server?.address ?? BROADCAST : BROADCAST,
    fromPort: CLIENT_PORT,
    toPort: SERVER_PORT,
    payload: encode(message),
  });
}

// What a person should know of links as they are used. Pure.
import { type HealthCondition, isOddLength, type Link } from "@otb/plugin";

/** By code; undefined where nothing is the matter. */
export type Conditions = { [code: string]: Omit<HealthCondition, "code"> | undefined };

/** Links with a network that no home has, as a person or a DHCP client of the system gave it: its size is not believed. */
export function oddNetworks(links: Link[]): Conditions {
  const odd = links.flatMap(({ name, observed: { address, prefixLength } }) =>
    address && !address.includes(":") && prefixLength !== undefined && isOddLength(prefixLength)
      ? [`"${name}" has ${address}/${prefixLength}`]
      : []
  );
  return {
    "link-network-odd": odd.length === 0 ? undefined : {
      severity: "warning",
      message: `An address of a link is in a network larger than any home's: ${
        odd.join(", ")
      }. Only the gateway is reached in clear; everything else goes through the peer as always`,
      next:
        "Give the address its network's real length, in the link's settings or where its interface gets it.",
    },
  };
}

/** Links that Multipath TCP does not pass, of so many that are used. */
export function strippedLinks(names: string[], links: number): Conditions {
  const all = names.length > 0 && names.length === links;
  return {
    "mptcp-unavailable": !all ? undefined : {
      severity: "warning",
      message: "Multipath TCP passes no link: each connection uses one link only",
      next: "Look whether the peer's kernel has MPTCP on (sysctl net.mptcp.enabled), and ask the operators.",
    },
    "mptcp-stripped": all || names.length === 0 ? undefined : {
      severity: "warning",
      message: `Multipath TCP does not pass ${
        names.map((name) => `"${name}"`).join(", ")
      }: connections do not use it together with the others`,
      next: "The modem or its operator removes it; another modem mode or operator may not.",
    },
  };
}

// What makes a LAN one that no device can use, beyond its schema. Pure.
import ipaddr from "ipaddr.js";
import { type Lan, type Link, overlaps, type Problem } from "../contract/mod.ts";

/** An interface of this machine, and the one below a macvlan or VLAN. */
export interface Place {
  name: string;
  parent?: string;
}

/** What keeps a LAN from being used; each code is a condition's, too. */
export interface LanProblem extends Problem {
  code: `lan-${"interface" | "address"}-useless` | "lan-interface-missing";
}

/** What can be told from the settings alone. */
export function checkLan({ interface: device, address }: Lan): LanProblem[] {
  const problems: LanProblem[] = [];
  const refuse = (path: "interface" | "address", rule: string, value: string) =>
    problems.push({
      code: `lan-${path}-useless`,
      path: `network.lan.${path}`,
      message: `Cannot use the LAN as ${rule}: current value is "${value}"`,
      next: LAN_SET,
    });
  if (device === "lo") {
    refuse(
      "interface",
      "its interface must lead to devices, and this machine is alone on its loopback",
      device,
    );
  }
  const [host = "", length = ""] = address.split("/");
  const parsed = ipaddr.parse(host);
  if (["loopback", "multicast", "broadcast", "unspecified"].includes(parsed.range())) {
    refuse("address", "its address must be one that a device can call", address);
  } else if (parsed.kind() === "ipv4" && Number(length) <= 30) {
    // RFC 1122 section 3.2.1.3.
    const bounds = [
      ipaddr.IPv4.networkAddressFromCIDR(address),
      ipaddr.IPv4.broadcastAddressFromCIDR(address),
    ].map(String);
    if (bounds.includes(parsed.toString())) {
      refuse(
        "address",
        `its address must be one between ${bounds.join(" and ")}, which name the network`,
        address,
      );
    }
  }
  return problems;
}

/** Whether its interface is there; nothing where nobody knows which are. */
export function checkLanPlace(
  { interface: device }: Lan,
  places: readonly Place[] | undefined,
): LanProblem[] {
  if (!places || places.some(({ name }) => name === device)) return [];
  const there = places.filter(({ name }) => name !== "lo" && !name.startsWith("otb"))
    .map(({ name }) => name).sort().slice(0, 16);
  return [{
    code: "lan-interface-missing",
    path: "network.lan.interface",
    message: `Cannot use the LAN as its interface must be there (${
      there.join(", ") || "none is"
    }): current value is "${device}"`,
    next: LAN_SET,
  }];
}

/** What works, but not as a person expects: modems on other ports that have the LAN's subnet. */
export function lanWarnings(
  lan: Lan,
  links: readonly Link[],
  places: readonly Place[] | undefined = [],
): Problem[] {
  const isOnLan = ({ interface: device }: Link) =>
    device === lan.interface ||
    places.some(({ name, parent }) => name === device && parent === lan.interface);
  return links.flatMap((link): Problem[] => {
    const { address, prefixLength } = link.observed;
    if (!link.found || !address || isOnLan(link) || !overlaps(lan.address, `${address}/${prefixLength}`)) {
      return [];
    }
    return [{
      code: "lan-overlaps-found-link",
      path: "network.lan.address",
      message:
        `The LAN has the subnet of link "${link.name}" (${address}/${prefixLength}): the link is used, ` +
        "but its modem's page cannot be reached from the LAN",
      next: "Choose another subnet for the LAN, or for the modem.",
    }];
  });
}

const LAN_SET = "otb lan set --interface IF --address 192.168.177.1/24";

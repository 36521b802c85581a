// What wan-discovery says to people, in English.
import { texts } from "@otb/plugin";

export const en = texts({
  conditions: {
    "address-clash": {
      text: "{modems} only gives addresses that another link of this box has already, and cannot be used",
      next: "Give that modem another subnet, or a larger range of addresses to hand out.",
    },
    "dhcp-flood": {
      text: "So many DHCP servers answer on {interfaces} that not all are noted",
      next: "Look for a device that pretends to be many, and unplug it.",
    },
    "gateway-answered-twice": {
      text:
        "More than one station says that it has {places}: the one that also serves DHCP, or that was known before, is used",
      next: "Look for a device with the modem's address, or one that pretends to have it, and unplug it.",
    },
    "interface-needs-settings": {
      text: "{interfaces} may be a way to the Internet, but has no gateway that could be found",
      next: "{@add}",
    },
    "link-refused": { text: "A found link cannot be set up: {reason}" },
    "modem-has-lan-subnet": {
      text:
        "{links} and the LAN have one subnet: the link is used, yet its modem's web page cannot be reached from the LAN",
      next: "To reach it, give the LAN or the modem another subnet.",
    },
    "modem-has-own-address": {
      text: "A modem cannot be used as the box itself has its address: {clashes}",
      next: "Give the LAN another subnet: {@lan}",
    },
    "modems-share-address": {
      text: "{shared}: they are told apart by their Ethernet addresses and ports, and all used",
      next:
        "Nothing needs to be done. To reach each one's web page, give them different addresses and subnets.",
    },
    "network-mask-odd": {
      text:
        "A modem tells a network mask that no home has: {odd}. Only the modem itself is reached in clear; everything else goes through the peer as always",
      next:
        "If the modem is yours, set the mask of its LAN to 255.255.255.0; if not, look for who plays a DHCP server there.",
    },
    "pppoe-offered": {
      text: "An operator offers PPPoE on {ports}: it needs the user name and password that the operator gave",
      next: "Let the modem dial itself (router mode), or set pppd up, then: {@add}",
    },
    "router-advertisement-flood": {
      text: "So many IPv6 routers answer on {interfaces} that not all are noted",
      next: "Look for a device that pretends to be many, and unplug it.",
    },
    "too-many-modems": {
      text: "Only 8 modems can be used at once, and {count} more were found: {modems}",
      next: "Set ignore for the modems that are not wanted: {@modems}",
    },
  },
  phrases: {
    "named": '"{name}"',
    "described": '"{name}" ({description})',
    "has-mask": '"{name}" ({description}) has {mask}',
    "no-mask": '"{name}" ({description}) has none',
    "on": "{address} on {interface}",
    "on-port": "{port} ({name})",
    "is": "{interface} ({kind})",
    "here-on": "{address} on {interface} (here on {port})",
    "stations": "{address} on {interface} ({macs})",
    "share": "{others} and {last} have the same address, {address}",
  },
});

// What dhcp-takeover says to people, in English.
import { texts } from "@otb/plugin";

export const en = texts({
  conditions: {
    "dhcp-blind": {
      text: "Nobody can tell which addresses of the LAN are taken, so one may be given twice: {reason}",
      next: "{@logs}",
    },
    "dhcp-confirm": {
      text:
        "The box serves the LAN's addresses on trial, and gives that back in {left} unless somebody confirms",
      next: "{@confirm}, when devices work; {@undo} otherwise",
    },
    "dhcp-contested": {
      text: "Another DHCP server answers on the LAN, so ours is silent: {who}{refuses}",
      next: "{advice}",
    },
    "dhcp-given-back": {
      text: "{why}: until the modem's server answers, devices are led to it",
      next: "Switch the DHCP server of {modem} on again; {@status} says how.",
    },
    "dhcp-nobody-looks": {
      text: "Nobody looks whether another DHCP server answers on the LAN, so ours does not start",
      next: "{@status}: wan-discovery must run, and not leave the LAN's interface alone.",
    },
    "dhcp-pool-full": {
      text:
        "{leases} of {pool} addresses are given and {held} are in use without, so new devices may get none",
      next: "Look for a device that invents others ({@leases}), or set a larger {@pool}.",
    },
    "dhcp-server-fails": {
      text: "dnsmasq does not run, so no device gets an address: {reason}",
      next: "Another program may have its ports: ss -lunp 'sport = 67 or sport = 53'",
    },
    "dhcp-switch-off": {
      text: "The LAN's DHCP cannot be taken over yet: {who} still answers{refuses}",
      next: "{advice}",
    },
    "dhcp-unconfirmed": {
      text: "Nobody confirmed that the LAN works, so its DHCP was given back",
      next: "{@takeover}, to try again",
    },
    "ipv6-leak": {
      text: "Another router announces IPv6 on the LAN, so devices {leave} around the box: {routers}{better}",
      next: "Switch its IPv6 announcements off; {@status} says how.",
    },
  },
  phrases: {
    "vendor-at": "{vendor} at {address}",
    "server-at": "the server at {address}",
    "modem": "the modem",
    "refuses": ", but only to refuse: it offers no address to a new device",
    "switch-off": "Switch its DHCP server off; {@status} says how.",
    "switch-off-or-undo": "Switch it off ({@status} says how), or give back with {@undo}.",
    "beside":
      "Switch its DHCP server off ({@status} says how). Where that cannot be done, go on beside it: {@takeover}. Devices that come back may then be refused by it once, and ask anew.",
    "unconfirmed": "Nobody confirmed that the LAN works, so its DHCP is given back",
    "given-back": "The LAN's DHCP is given back",
    "minutes": "{count} {count:minute|minutes}",
    "a-minute": "a minute",
    "router": "{address} ({mac})",
    "leave": "leave",
    "may-leave": "may leave",
    "better": "; the box announces itself as the better one",
  },
});

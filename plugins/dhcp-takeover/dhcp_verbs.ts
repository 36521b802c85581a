// `otb dhcp`: the LAN's addresses, who gives them, and fixed ones.
import * as z from "zod/mini";
import { action, type Block, edit, field, type Json, OtbError } from "@otb/plugin";
import type { Config } from "./config.ts";
import type { Takeover } from "./takeover.ts";
import { type Lease, leaseTable, statusBlocks } from "./status_blocks.ts";

const status = action({
  title: "DHCP",
  summary: "Show who gives the LAN's addresses, and what to do next.",
  verb: "dhcp status",
  run: (takeover: Takeover) => takeover.status(),
  show: statusBlocks,
});

const leases = action({
  title: "Leases",
  summary: "List the addresses that were given.",
  verb: "dhcp leases",
  run: (takeover: Takeover) => ({ leases: takeover.leases() }) as unknown as Json,
  show: ({ leases }: { leases: Lease[] }): Block[] => [leaseTable(leases)],
});

const reserve = edit({
  title: "Reserve an address",
  summary: "Give a device always the same address.",
  verb: "dhcp reserve",
  example: "sudo otb dhcp reserve 02:00:00:00:00:01 192.168.100.20 --name printer",
  args: z.strictObject({
    mac: field(z.string(), { positional: true, metavar: "MAC" }),
    address: field(z.string(), { positional: true, metavar: "IP" }),
    name: field(z.optional(z.string()), { metavar: "NAME", description: "Its host name." }),
  }),
  edit: ({ mac, address, name }) => ({
    patch: { reservations: { [mac.toLowerCase()]: { address, ...name === undefined ? {} : { name } } } },
    done: `${address} reserved for ${mac}`,
  }),
});

const unreserve = edit({
  title: "Take back a reservation",
  summary: "Take back a device's fixed address.",
  verb: "dhcp unreserve",
  example: "sudo otb dhcp unreserve 02:00:00:00:00:01",
  args: z.strictObject({ mac: field(z.string(), { positional: true, metavar: "MAC" }) }),
  edit({ mac }, { reservations }: Config) {
    const known = Object.keys(reservations);
    if (!known.includes(mac.toLowerCase())) {
      throw new OtbError(
        "reservation-unknown",
        `Cannot take back a reservation as ${
          known.join(", ") || "nobody"
        } has one: current value is "${mac}"`,
        "otb config get dhcp-takeover.reservations",
      );
    }
    return {
      patch: { reservations: { [mac.toLowerCase()]: null } },
      done: `Reservation of ${mac} taken back`,
    };
  },
});

export const dhcpActions = {
  status,
  takeover: step("takeover", "Take over", "Become the LAN's DHCP server, step by step."),
  recheck: step("recheck", "Look again", "Look again, after a modem's server was switched off."),
  confirm: step("confirm", "Keep", "Keep it: devices work."),
  undo: {
    ...step("undo", "Give back", "Give back to the modem."),
    confirm: "Devices are led to the modem, whose DHCP server must then be switched on. Give back?",
  },
  leases,
};

export const dhcpEdits = { reserve, unreserve };

/** What help says of `otb dhcp`. */
export const dhcpGroup = {
  summary: "The LAN's addresses: take over from the modem, confirm, give back.",
  example: "sudo otb dhcp takeover",
  about:
    "While the box serves, it is the devices' way out. Before it stops, or is taken away, give back with otb dhcp undo " +
    "and switch the modem's DHCP server on: devices follow within minutes. One that is pulled out leads nobody: devices " +
    "keep their addresses and reach nothing until the modem's server is on and they ask again, after 45 minutes at most " +
    "by the usual settings, some only when their lease ends (12 hours); with cable or Wi-Fi off and on, at once.",
};

/** What a person wants, which may not fit the phase, and how it stands then. */
function step(kind: "takeover" | "recheck" | "confirm" | "undo", title: string, summary: string) {
  return action({
    title,
    summary,
    verb: `dhcp ${kind}`,
    changes: true,
    run: (takeover: Takeover) => takeover.act(kind),
    show: statusBlocks,
  });
}

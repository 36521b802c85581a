// The settings that belong to no single plugin: role, LAN, links, peers; their schema and what contradicts what.
import * as z from "zod";
import { canonicalAddress, canonicalRange, isInside, overlaps, type Problem } from "../contract/mod.ts";
import { checkLan } from "./lan.ts";

/** A name a person gives to a link or a peer. */
export const NAME = /^[a-z][a-z0-9-]{0,14}$/;
/** MPTCP's path manager knows 8 endpoints and 8 subflows (ip-mptcp(8)). */
const MAX_LINKS_IN_USE = 8;

const name = z.string().regex(
  NAME,
  "a name has 1 to 15 small letters, digits or dashes and starts with a letter",
);
const device = z.string().regex(
  /^(?!\.{1,2}$)[^\s/:]{1,15}$/,
  "an interface name has 1 to 15 characters without space, slash or colon",
);
const ip = z.string().refine((text) => canonicalAddress(text) !== undefined, "it must be an IP address");
const cidr = z.string().refine(
  isHostCidr,
  "it must be an address with its prefix length, like 192.168.100.1/24",
);
const publicKey = z.string().refine(isKey, "it must be 32 bytes in base64");
const rate = z.number().positive().max(100_000);

const linkSchema = z.strictObject({
  interface: device.optional().describe(
    "network device that the link is reached by; absent: the settings are about a link found under this name",
  ),
  address: cidr.optional().describe("own address on the link; absent: what the system gave the interface"),
  gateway: ip.optional().describe("the modem's address; absent: the system's default route on the interface"),
  tier: z.enum(["primary", "secondary", "backup", "never"]).default("primary")
    .describe("always used, used when the primaries are full, used when nothing else is left, not used"),
  downMbps: rate.optional().describe("use at most this much downstream, Mbit/s"),
  upMbps: rate.optional().describe("use at most this much upstream, Mbit/s"),
});

/** Schema of the `network` section. */
export const networkSchema = z.strictObject({
  role: z.enum(["box", "cloud"]).describe("what this machine is"),
  lan: z.strictObject({
    interface: device.describe("network device of the LAN"),
    address: cidr.describe("the box's own address on the LAN"),
  }).optional().describe("the LAN side of a box"),
  links: z.record(name, linkSchema).default({}).describe("ways to the Internet, by name"),
  peers: z.array(z.strictObject({
    name: name.default("cloud"),
    address: ip.describe("public address of the peer"),
    port: z.number().int().min(1).max(65535).default(8443).describe(
      "port of the peer: TCP for the proxy, UDP for the tunnel",
    ),
    tunnelKey: publicKey.optional().describe(
      "public key of the peer's tunnel, from its join code; absent: there is no tunnel to it",
    ),
  })).default([]).describe("the cloud end; in the cloud itself: this peer"),
});

/** The network settings with every default filled in. */
export type NetworkSettings = z.infer<typeof networkSchema>;

/** What contradicts what, beyond the schema; empty when all is well. */
export function checkNetwork(network: NetworkSettings): Problem[] {
  const problems: Problem[] = [];
  const refuse = (code: string, path: string, message: string, next?: string) =>
    problems.push({ code, path: `network.${path}`, message, next });
  const { role, lan, links, peers } = network;
  if (role === "cloud") {
    if (lan) {
      refuse("lan-in-cloud", "lan", "Cannot set a LAN as only a box has one: current value is a cloud");
    }
    if (Object.keys(links).length > 0) {
      refuse(
        "links-in-cloud",
        "links",
        "Cannot add a link as only a box has links: current value is a cloud",
      );
    }
  }
  if (peers.length === 0) {
    refuse("peer-missing", "peers", "Cannot do without a peer as there must be one", 'Run "otb init" again.');
  }
  if (lan) problems.push(...checkLan(lan));
  const byAddress = new Map<string, string>();
  for (const [name, link] of Object.entries(links)) {
    const at = (field: string) => `links.${name}.${field}`;
    if (!link.interface && (link.address || link.gateway)) {
      refuse(
        "interface-missing",
        at("interface"),
        `Cannot use link "${name}" as an address or a gateway needs its interface: current value is "${
          link.address ?? link.gateway
        }"`,
        "Add --interface IF.",
      );
    }
    if (link.address && !link.gateway) {
      refuse(
        "gateway-missing",
        at("gateway"),
        `Cannot use link "${name}" as an address needs its gateway: current value is "${link.address}"`,
        "Add --gateway IP.",
      );
    }
    if (!link.address) continue;
    const own = canonicalAddress(link.address.split("/")[0]!)!;
    if (link.gateway) {
      if (!isInside(link.gateway, link.address)) {
        refuse(
          "gateway-outside",
          at("gateway"),
          `Cannot use link "${name}" as its gateway must be inside ${
            canonicalRange(link.address)
          }: current value is "${link.gateway}"`,
        );
      } else if (own === canonicalAddress(link.gateway)) {
        refuse(
          "gateway-is-self",
          at("gateway"),
          `Cannot use link "${name}" as its gateway must differ from its own address: current value is "${link.gateway}"`,
        );
      }
    }
    const other = byAddress.get(own);
    if (other) {
      refuse(
        "address-twice",
        at("address"),
        `Cannot use link "${name}" as link "${other}" has the same address: current value is "${own}"`,
      );
    }
    byAddress.set(own, name);
    // A modem on the LAN itself has its subnet there, and one address of the box does for both.
    if (lan && lan.interface !== link.interface && overlaps(lan.address, link.address)) {
      refuse(
        "lan-overlaps-link",
        "lan.address",
        `Cannot use the LAN's subnet as link "${name}" has ${
          canonicalRange(link.address)
        }: current value is "${lan.address}"`,
        "Choose another subnet for the LAN.",
      );
    }
  }
  const inUse = Object.values(links).filter(({ tier }) => tier !== "never").length;
  if (inUse > MAX_LINKS_IN_USE) {
    refuse(
      "too-many-links",
      "links",
      `Cannot use so many links as the kernel's limit is ${MAX_LINKS_IN_USE}: current value is "${inUse}"`,
      "Set the tier of some to never.",
    );
  }
  return problems;
}

/** An X25519 public key as one writes it; one way only, so that equal keys are equal texts. */
function isKey(text: string): boolean {
  return /^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/.test(text);
}

function isHostCidr(text: string): boolean {
  return /\/0*[1-9]\d*$/.test(text) && canonicalRange(text) !== undefined;
}

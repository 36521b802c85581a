import assert from "node:assert/strict";
import fc from "fast-check";
import { fuzz, swift } from "../../tests/fuzz/property.ts";
import { hostileText } from "../../tests/fuzz/inputs.ts";
import { OtbError } from "../contract/mod.ts";
import { canonicalAddress } from "../contract/address.ts";
import { canonical, canonicalPrefix } from "./canonical.ts";
import type { Resource } from "./model.ts";
import {
  parseInterfaces,
  parseMptcpEndpoints,
  parseMptcpLimits,
  parseNeighbours,
  parseRoutes,
  parseRules,
} from "./observe_ip.ts";
import { parseNftTables, parseQdiscs, staticSets } from "./observe_nft_tc.ts";

/** Names as Linux takes them (dev_valid_name): anything without slash, colon and white space, of up to 15 bytes. */
const name = fc.oneof(
  fc.constantFrom(
    "eth0",
    "toString",
    "__proto__",
    "constructor",
    '"',
    "}",
    "{",
    "-j",
    "@",
    "a@b",
    "\u00e9",
    "table",
  ),
  fc.string({ minLength: 1, maxLength: 15 }).filter((text) => !/[\s/:]/.test(text)),
);
const address = fc.oneof(fc.ipV4(), fc.ipV6());

fuzz(
  "interfaces of any name are read under their name, and no other",
  fc.array(fc.tuple(name, name, address, fc.nat()), { maxLength: 8 }),
  (all) => {
    const printed = all.map(([ifname, other, local, ifindex]) => ({
      ifname,
      ifindex,
      flags: ["UP", other],
      mtu: 1500,
      link_type: "ether",
      link: other,
      linkinfo: { info_kind: other },
      addr_info: [{ family: local.includes(":") ? "inet6" : "inet", local, prefixlen: 24 }],
    }));
    // As it comes: through JSON.
    const read = parseInterfaces(JSON.parse(JSON.stringify(printed)));
    assert.deepEqual(read.map(({ name }) => name), all.map(([ifname]) => ifname));
    for (const { hardware, addresses } of read) {
      assert.ok(Number.isInteger(hardware), `hardware ${hardware}`);
      assert.ok(addresses.every(({ address }) => typeof address === "string"));
    }
    const routes = all.flatMap(([dev, protocol, dst], index) =>
      parseRoutes([{
        type: "1",
        dst: index % 2 ? dst : "default",
        dev,
        table: "100",
        protocol,
        scope: "0",
        flags: [],
      }], 4)
    );
    assert.ok(
      routes.every((route) => all.some(([ifname]) => route.interface === ifname || !route.interface)),
    );
    parseRules(all.map(([iif, table]) => ({ priority: 1, src: "all", iif, table })), 4);
    parseNeighbours(all.map(([dev, lladdr, dst]) => ({ dev, lladdr, dst })), 4);
    parseMptcpEndpoints(all.map(([dev, , address], id) => ({ dev, address, id })));
    const qdiscs = all.map(([dev, kind]) => ({
      dev,
      kind,
      handle: "1:",
      root: true,
      options: { [kind]: 1 },
    }));
    const names = all.map(([dev]) => dev);
    assert.deepEqual(
      parseQdiscs(JSON.stringify(qdiscs), names).map((qdisc) => qdisc.interface),
      names,
    );
  },
);

const tables = fc.array(fc.tuple(fc.constantFrom("ip", "inet", "bridge"), name, name), { maxLength: 6 }).map((
  all,
) =>
  all.map(([family, table, set]) =>
    `table ${family} otb_${table} {\n\tset ${set} {\n\t\ttype ipv4_addr\n\t}\n\n\tchain c {\n\t\tiifname "${set}" accept\n\t}\n}\n`
  ).join("")
);

fuzz(
  "nft's tables are told apart whatever they are called, in no time",
  hostileText(tables, 16_384),
  (text) => {
    const sets = swift(() => staticSets(text));
    assert.ok(sets.every(({ kind, table }) => /^(set|map)$/.test(kind) && table.startsWith("otb_")));
    for (
      const { family, name, hash } of swift(() =>
        parseNftTables(text, sets.map((set) => ({ ...set, text: "" })))
      )
    ) {
      assert.ok(["ip", "ip6", "inet", "netdev"].includes(family) && !/\s/.test(name) && hash.length === 32);
    }
    swift(() => parseMptcpLimits(text));
  },
);

const texts = hostileText(
  fc.oneof(address, fc.tuple(address, fc.nat(200)).map(([ip, length]) => `${ip}/${length}`)),
  300,
);

fuzz("an address or prefix has one spelling, which is its own, or is none", texts, (text) => {
  const one = swift(() => canonicalAddress(text));
  if (one !== undefined) assert.equal(canonicalAddress(one), one);
  for (const family of [4, 6] as const) {
    const prefix = swift(() => canonicalPrefix(text, family));
    if (prefix !== undefined) assert.equal(canonicalPrefix(prefix, family), prefix);
  }
});

const kinds = [
  "address",
  "neighbour",
  "route",
  "rule",
  "mptcpEndpoint",
  "mptcpLimits",
  "sysctl",
  "nftTable",
  "qdisc",
];
const value = fc.oneof(
  fc.jsonValue({ maxDepth: 1 }),
  name,
  address,
  fc.constantFrom(4, 6, 0, -1, "0x1/0xff", "1.2.3.4/24"),
);
const members = [
  "family",
  "address",
  "interface",
  "to",
  "from",
  "table",
  "mark",
  "priority",
  "type",
  "via",
  "name",
]
  .concat([
    "value",
    "body",
    "protocol",
    "mac",
    "parent",
    "id",
    "flags",
    "subflows",
    "prefix",
    "metric",
    "options",
  ]);
const claims = fc.tuple(
  fc.constantFrom(...kinds, "interface", "interfaceState", "toString"),
  fc.array(fc.tuple(fc.constantFrom(...members), value), { maxLength: 8 }),
).map(([kind, given]) => ({ kind, ...Object.fromEntries(given) }) as unknown as Resource);

fuzz("what a plugin claims is refused by code, or has one form, which is its own", claims, (claim) => {
  let form: Resource;
  try {
    form = swift(() => canonical(claim));
  } catch (error) {
    return assert.ok(error instanceof OtbError, `${error}`);
  }
  assert.deepEqual(canonical(form), form);
});

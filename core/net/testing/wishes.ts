// Shared by property tests: random wishes over a small machine where the user has set some things himself.
import fc from "fast-check";
import { canonical } from "../canonical.ts";
import { identity, type Resource } from "../model.ts";
import { fakeInterface, OsFake } from "../os_fake.ts";

const device = fc.constantFrom("wan1", "wan2", "gone0", "ifb0");
const address = fc.constantFrom("10.0.1.2", "10.0.2.2", "10.0.3.2");
/** Classes under an HTB qdisc that differ in rate and number. */
const classes = fc.constantFrom(["1mbit"], ["2mbit"], ["1mbit", "2mbit"]).chain((rates) =>
  device.map((name): Resource => ({
    kind: "qdisc",
    interface: name,
    parent: "root",
    spec: ["handle", "1:", "htb", "default", "1"],
    then: rates.flatMap((rate, index) => [
      `class add dev ${name} parent 1: classid 1:${index + 1} htb rate ${rate}`.split(" "),
      `qdisc add dev ${name} parent 1:${index + 1} bfifo limit ${rate.length}0000`.split(" "),
    ]),
  }))
);
const resource: fc.Arbitrary<Resource> = fc.oneof(
  fc.record({
    kind: fc.constant("address" as const),
    interface: device,
    cidr: address.map((a) => `${a}/24`),
  }),
  fc.record({
    kind: fc.constant("route" as const),
    family: fc.constant(4 as const),
    table: fc.constantFrom(101, 102),
    to: fc.constantFrom("default", "10.9.0.0/16"),
    via: fc.option(address, { nil: undefined }),
    interface: device,
    source: fc.option(address, { nil: undefined }),
    mtu: fc.option(fc.constantFrom(1400, 1280), { nil: undefined }),
  }),
  fc.record({
    kind: fc.constant("rule" as const),
    family: fc.constant(4 as const),
    priority: fc.constantFrom(1000, 1001),
    // Never without: one from everywhere makes the others of its table pointless, and the kernel refuses it beside them.
    from: address,
    mark: fc.option(fc.constantFrom("0x1", "0x2/0xff"), { nil: undefined }),
    table: fc.constantFrom(101, 102),
  }),
  fc.record({
    kind: fc.constant("neighbour" as const),
    interface: device,
    address,
    mac: fc.constantFrom("02:00:00:00:00:01", "02:00:00:00:00:02"),
  }),
  fc.record({
    kind: fc.constant("sysctl" as const),
    name: fc.constantFrom("net/ipv4/ip_forward", "net/ipv4/conf/gone0/rp_filter"),
    value: fc.constantFrom("0", "1", "2"),
  }),
  fc.record({
    kind: fc.constant("interfaceState" as const),
    interface: fc.constantFrom("wan2", "gone0"),
    up: fc.constant(true),
  }),
  fc.record({
    kind: fc.constant("mptcpLimits" as const),
    subflows: fc.integer({ min: 1, max: 8 }),
    addAddrAccepted: fc.constant(0),
  }),
  fc.record({
    kind: fc.constant("nftTable" as const),
    family: fc.constant("inet" as const),
    name: fc.constantFrom("otb_a", "otb_b"),
    body: fc.constantFrom("chain x { }", "chain y { }"),
  }),
  fc.record({
    kind: fc.constant("qdisc" as const),
    interface: device,
    parent: fc.constant("root" as const),
    spec: fc.constantFrom(
      "tbf rate 5mbit burst 10k latency 50ms".split(" "),
      "tbf rate 6mbit burst 10k latency 50ms".split(" "),
      ["handle", "1:", "htb"],
    ),
  }),
  classes,
  fc.record({
    kind: fc.constant("qdisc" as const),
    interface: device,
    parent: fc.constant("ingress" as const),
    spec: fc.constant<string[]>([]),
  }),
  fc.record({
    kind: fc.constant("interface" as const),
    name: fc.constant("ifb0"),
    type: fc.constant("ifb" as const),
    up: fc.boolean(),
  }),
);
/** Endpoints whose address follows from the id, as two on one address can never both be applied. */
const endpoint: fc.Arbitrary<Resource> = fc.record({
  id: fc.integer({ min: 1, max: 3 }),
  flags: fc.constantFrom<("subflow" | "backup")[]>(["subflow"], ["subflow", "backup"]),
  generation: fc.option(fc.integer({ min: 1, max: 2 }), { nil: undefined }),
  interface: device,
}).map((part) => ({ kind: "mptcpEndpoint" as const, ...part, address: `10.0.${part.id}.2` }));
/** What one owner may want, no identity twice, canonical. */
export const wishes = fc.uniqueArray(
  fc.oneof({ arbitrary: resource, weight: 4 }, { arbitrary: endpoint, weight: 1 }),
  {
    selector: identity,
    maxLength: 14,
  },
).map((list) => list.map(canonical));

/** A machine where the user has set some things himself. */
export function machine(): OsFake {
  return new OsFake({
    interfaces: [fakeInterface("lo", 1), fakeInterface("wan1", 2, ["10.0.1.2/24"]), fakeInterface("wan2", 3)],
    rules: [{ kind: "rule", family: 4, priority: 32766, table: 254, protocol: 2 }],
    routes: [{
      kind: "route",
      family: 4,
      table: 254,
      to: "default",
      via: "10.0.1.1",
      interface: "wan1",
      protocol: 16,
    }],
    sysctls: { "net/ipv4/ip_forward": "0" },
  });
}

/** The state without what means nothing: the order of things, and the handles that qdiscs happened to get. */
export function unordered(state: unknown): unknown {
  if (typeof state === "string") return state.replace(/ 8[0-9a-f]{3}:$/, "");
  if (typeof state !== "object" || state === null) return state;
  if (Array.isArray(state)) return state.map((item) => JSON.stringify(unordered(item))).sort();
  return Object.fromEntries(Object.entries(state).sort().map(([name, value]) => [name, unordered(value)]));
}

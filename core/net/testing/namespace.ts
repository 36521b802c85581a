// Shared by the tests of this folder: a namespace to play in, and resources of every kind.
import type { Log } from "../../contract/mod.ts";
import type { Resource } from "../model.ts";

export const silent: Log = { debug() {}, info() {}, warn() {}, error() {} };

/** Resources of every kind that this kernel can be expected to have. */
export const EVERYTHING: Resource[] = [
  { kind: "interface", name: "ifb7", type: "ifb", up: true },
  { kind: "interface", name: "mv0", type: "macvlan", parent: "wan0", up: true },
  { kind: "interface", name: "mv1", type: "macvlan", parent: "wan0", mac: "02:0A:00:00:00:07", up: true },
  { kind: "interfaceState", interface: "spare0", up: true },
  { kind: "address", interface: "wan0", cidr: "192.168.10.2/24" },
  { kind: "address", interface: "wan0", cidr: "FD00:0::2/64" },
  { kind: "address", interface: "mv1", cidr: "192.168.10.9/24", noPrefixRoute: true },
  { kind: "neighbour", interface: "mv1", address: "192.168.10.1", mac: "02:0B:00:00:00:01" },
  { kind: "neighbour", interface: "mv0", address: "FE80:0::1", mac: "02:0b:00:00:00:01" },
  {
    kind: "route",
    family: 4,
    table: 201,
    to: "default",
    via: "192.168.10.1",
    interface: "wan0",
    source: "192.168.10.2",
    metric: 5,
    congestion: "reno",
    mtu: 1400,
  },
  { kind: "route", family: 4, table: 202, to: "10.1.2.3/8", via: "192.168.10.1", interface: "wan0" },
  { kind: "route", family: 4, table: 202, to: "default", type: "unreachable", metric: 900 },
  { kind: "route", family: 4, table: 203, to: "default", type: "local", interface: "lo" },
  { kind: "route", family: 6, table: 201, to: "default", via: "fd00::1", interface: "wan0" },
  { kind: "route", family: 6, table: 203, to: "::/0", type: "local", interface: "lo" },
  { kind: "route", family: 6, table: 202, to: "2001:db8::/32", type: "blackhole" },
  { kind: "rule", family: 4, priority: 1000, from: "192.168.10.2/32", table: 201 },
  {
    kind: "rule",
    family: 4,
    priority: 1001,
    inputInterface: "wan0",
    to: "10.0.0.0/8",
    mark: "1/0xFF",
    table: 203,
  },
  { kind: "rule", family: 6, priority: 1001, mark: "0x1", table: 203 },
  { kind: "mptcpLimits", subflows: 8, addAddrAccepted: 4 },
  { kind: "mptcpEndpoint", id: 1, address: "192.168.10.2", interface: "wan0", flags: ["subflow", "backup"] },
  { kind: "mptcpEndpoint", id: 2, address: "fd00::2", interface: "wan0", flags: ["subflow", "fullmesh"] },
  { kind: "sysctl", name: "net/ipv4/ip_forward", value: "1" },
  { kind: "sysctl", name: "net/ipv4/tcp_rmem", value: "4096 131072 12345678" },
  { kind: "sysctl", name: "net/ipv4/conf/wan0/rp_filter", value: "2" },
  { kind: "sysctl", name: "net/ipv4/not_in_any_kernel", value: "1", optional: true },
  {
    kind: "nftTable",
    family: "inet",
    name: "otb_test",
    body: `set ours { type ipv4_addr; flags interval; elements = { 10.0.0.0/8, 192.168.0.0/16 }; }
chain input { type filter hook input priority 0; policy accept; ip daddr @ours counter accept; }`,
  },
  {
    kind: "nftTable",
    family: "netdev",
    name: "otb_test",
    body: `chain received { type filter hook ingress device "wan0" priority -500; policy accept; }`,
  },
  {
    kind: "qdisc",
    interface: "wan0",
    parent: "root",
    spec: ["tbf", "rate", "5mbit", "burst", "10k", "latency", "50ms"],
  },
  {
    kind: "qdisc",
    interface: "wan0",
    parent: "ingress",
    spec: [],
    then: [
      "filter add dev wan0 parent ffff: protocol all u32 match u32 0 0 action mirred egress redirect dev ifb7"
        .split(" "),
    ],
  },
  {
    kind: "qdisc",
    interface: "ifb7",
    parent: "root",
    spec: ["handle", "1:", "htb", "default", "10"],
    then: ["class add dev ifb7 parent 1: classid 1:10 htb rate 5mbit".split(" ")],
  },
];

export async function run(...[program, ...args]: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program!, { args, env: { LC_ALL: "C" } })
    .output();
  if (!success) throw new Error(`${program} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}

/** A network namespace with `wan0` (up, wired to `far0`), gone when the test ends. */
export class Namespace {
  readonly name = `otbnet-${crypto.randomUUID().slice(0, 8)}`;

  static async create(): Promise<Namespace> {
    const namespace = new Namespace();
    await run("ip", "netns", "add", namespace.name);
    await namespace.run("ip", "link", "set", "lo", "up");
    await namespace.plugIn();
    // An interface that is off; it was on before, as the kernel gives it its queue only then.
    await namespace.run("ip", "link", "add", "spare0", "type", "veth", "peer", "name", "far-spare0");
    await namespace.run("ip", "link", "set", "spare0", "addrgenmode", "none");
    for (const state of ["up", "down"]) await namespace.run("ip", "link", "set", "spare0", state);
    return namespace;
  }

  run(...words: string[]): Promise<string> {
    return run("ip", "netns", "exec", this.name, ...words);
  }

  /** Plugs an interface in, up and wired to another one of this namespace. */
  async plugIn(name = "wan0"): Promise<void> {
    await this.run("ip", "link", "add", name, "type", "veth", "peer", "name", `far-${name}`);
    for (const end of [`far-${name}`, name]) {
      // Otherwise the kernel makes link-local addresses at a time of its own, and dumps would differ by it.
      await this.run("ip", "link", "set", end, "addrgenmode", "none");
      await this.run("ip", "link", "set", end, "up");
    }
  }

  /** Everything that otb could have changed, as the system's own tools show it. */
  async dump(): Promise<string> {
    const commands = [
      ["ip", "-d", "address"],
      ["ip", "-4", "route", "show", "table", "all"],
      ["ip", "-6", "route", "show", "table", "all"],
      ["ip", "-4", "rule"],
      ["ip", "-6", "rule"],
      ["ip", "neighbour", "show", "nud", "permanent"],
      ["ip", "mptcp", "endpoint", "show"],
      ["ip", "mptcp", "limits", "show"],
      ["nft", "-s", "list", "ruleset"],
      ["tc", "-d", "qdisc"],
      ["sh", "-c", "cd /proc/sys/net && cat ipv4/ip_forward ipv4/tcp_rmem ipv4/conf/wan0/rp_filter"],
    ];
    return (await Promise.all(commands.map((words) => this.run(...words)))).join("---\n");
  }

  async [Symbol.asyncDispose]() {
    await run("ip", "netns", "delete", this.name);
  }
}

import { deepStrictEqual, strictEqual } from "node:assert/strict";
import {
  parseInterfaces,
  parseMptcpEndpoints,
  parseMptcpLimits,
  parseNeighbours,
  parseRoutes,
  parseRules,
} from "./observe_ip.ts";
import { parseNftTables, parseQdiscs, staticSets } from "./observe_nft_tc.ts";

// The inputs are what iproute2 6.1 and nftables 1.0.6 printed.

Deno.test("interfaces with their addresses", () => {
  deepStrictEqual(
    parseInterfaces([{
      ifindex: 3,
      link: "d1",
      ifname: "d0",
      flags: ["NO-CARRIER", "BROADCAST", "MULTICAST", "UP", "M-DOWN"],
      mtu: 1500,
      link_type: "[1]",
      master: "br0",
      address: "5e:87:a4:49:e0:68",
      linkinfo: { info_kind: "veth" },
      addr_info: [
        { family: "inet", local: "10.0.0.1", prefixlen: 24, scope: "0", label: "d0" },
        { family: "inet6", local: "fd00::2", prefixlen: 64, nodad: true },
        {},
      ],
    }]),
    [{
      name: "d0",
      index: 3,
      mac: "5e:87:a4:49:e0:68",
      mtu: 1500,
      hardware: 1,
      controller: "br0",
      up: true,
      carrier: false,
      type: "veth",
      parent: "d1",
      addresses: [
        { family: 4, address: "10.0.0.1", prefixLength: 24 },
        { family: 6, address: "fd00::2", prefixLength: 64 },
      ],
    }],
  );
});

Deno.test("permanent neighbours; one without a lower layer's address is left out", () => {
  deepStrictEqual(
    parseNeighbours([
      { dst: "10.0.0.1", dev: "d0", lladdr: "02:00:00:00:00:01", state: ["PERMANENT"], protocol: "157" },
      { dst: "10.0.0.2", dev: "d0", lladdr: "02:00:00:00:00:03", state: ["PERMANENT"] },
      { dst: "10.0.0.3", dev: "d0", state: ["PERMANENT"] },
    ], 4).map(({ address, mac, protocol }) => [address, mac, protocol]),
    [["10.0.0.1", "02:00:00:00:00:01", 157], ["10.0.0.2", "02:00:00:00:00:03", 0]],
  );
});

Deno.test("routes: our properties, and a name for what we cannot say", () => {
  const routes = parseRoutes([
    {
      ...{ type: "1", dst: "default", gateway: "192.168.10.1", dev: "d0", table: "201", protocol: "157" },
      ...{ prefsrc: "192.168.10.2", metric: 5, flags: [], metrics: [{ mtu: 1400, congestion: "cubic" }] },
    },
    { type: "7", dst: "default", table: "202", protocol: "157", flags: [] },
    { type: "3", dst: "127.255.255.255", dev: "lo", table: "255", protocol: "2", flags: [] },
    { dst: "default", gateway: "9.9.9.9", dev: "d0", table: "204", flags: ["onlink"] },
    {
      dst: "default",
      table: "205",
      flags: [],
      nexthops: [{ gateway: "192.168.10.1", dev: "d0", weight: 1 }],
    },
    { dst: "192.168.10.0/24", dev: "d0", protocol: "2", scope: "253", flags: ["linkdown"] },
  ], 4);
  deepStrictEqual(routes[0], {
    ...{ kind: "route", family: 4, table: 201, to: "default", via: "192.168.10.1", interface: "d0" },
    ...{ source: "192.168.10.2", metric: 5, congestion: "cubic", mtu: 1400, protocol: 157 },
  });
  deepStrictEqual(routes[1], {
    ...{ kind: "route", family: 4, table: 202, to: "default", type: "unreachable", protocol: 157 },
  });
  deepStrictEqual(routes.map(({ table, unsupported }) => [table, unsupported]), [
    [201, undefined],
    [202, undefined],
    [204, "onlink"],
    [205, "nexthops"],
    [254, undefined],
  ]);
  const [unreachable, local] = parseRoutes([
    {
      type: "7",
      dst: "default",
      dev: "lo",
      table: "202",
      protocol: "157",
      metric: 1024,
      flags: [],
      pref: "medium",
    },
    { type: "2", dst: "::1", dev: "lo", table: "255", protocol: "2", metric: 0, flags: [], pref: "medium" },
  ], 6);
  strictEqual(unreachable!.interface, undefined);
  strictEqual(local!.metric, undefined);
});

Deno.test("rules: selectors that we lack leave a rule out", () => {
  deepStrictEqual(
    parseRules([
      { priority: 1000, src: "192.168.10.2", table: "201", protocol: "157" },
      {
        ...{ priority: 1001, src: "all", dst: "10.0.0.0", dstlen: 8, fwmark: "0x1", fwmask: "0xff" },
        ...{ iif: "d0", iif_detached: null, table: "203", protocol: "157" },
      },
      { priority: 1002, src: "all", oif: "d0", table: "203", protocol: "157" },
      { priority: 32766, src: "all", table: "254", protocol: "2" },
    ], 4),
    [
      { kind: "rule", family: 4, priority: 1000, from: "192.168.10.2", table: 201, protocol: 157 },
      {
        ...{
          kind: "rule",
          family: 4,
          priority: 1001,
          to: "10.0.0.0/8",
          inputInterface: "d0",
          mark: "0x1/0xff",
        },
        ...{ table: 203, protocol: 157 },
      },
      { kind: "rule", family: 4, priority: 32766, table: 254, protocol: 2 },
    ],
  );
});

Deno.test("MPTCP endpoints and limits", () => {
  deepStrictEqual(
    parseMptcpEndpoints([{ address: "192.168.10.2", id: 3, subflow: true, backup: true, dev: "if3" }]),
    [{
      kind: "mptcpEndpoint",
      id: 3,
      address: "192.168.10.2",
      interface: "if3",
      flags: ["backup", "subflow"],
    }],
  );
  deepStrictEqual(parseMptcpLimits("add_addr_accepted 0 subflows 2 \n"), {
    ...{ kind: "mptcpLimits", subflows: 2, addAddrAccepted: 0 },
  });
  strictEqual(parseMptcpLimits("Error: no such family"), undefined);
});

Deno.test("nft tables are told apart by their text, other families left out", () => {
  const table = (rule: string) => `table inet otb_x {\n\tchain c {\n\t\t${rule}\n\t}\n}\n`;
  const bridge = "table bridge b {\n\tchain c {\n\t}\n}\n";
  const empty = "table ip otb_empty {\n}\n";
  const netdev = "table netdev otb_y {\n\tchain c {\n\t}\n}\n";
  deepStrictEqual(parseNftTables(netdev, []).map(({ family, name }) => `${family} ${name}`), [
    "netdev otb_y",
  ]);
  const [x, second, ...rest] = parseNftTables(
    `# Warning: table ip nat is managed by iptables-nft\n${bridge}${table("accept")}${empty}`,
    [],
  );
  deepStrictEqual([x!.family, x!.name, second!.family, second!.name], ["inet", "otb_x", "ip", "otb_empty"]);
  strictEqual(rest.length, 0);
  strictEqual(parseNftTables(table("accept"), [])[0]!.hash, x!.hash);
  strictEqual(parseNftTables(table("drop"), [])[0]!.hash === x!.hash, false);
});

Deno.test("qdiscs: the kernel's default ones are left out, counters do not count", () => {
  const htb = (direct_packets_stat: number) => ({
    ...{ kind: "htb", handle: "1:", dev: "d0", root: true, refcnt: 3 },
    options: { r2q: 10, default: "0x10", direct_packets_stat, direct_qlen: 1000 },
  });
  const [root, ingress, ...rest] = parseQdiscs(JSON.stringify([
    { kind: "noqueue", handle: "0:", dev: "lo", root: true, refcnt: 2, options: {} },
    htb(0),
    { kind: "ingress", handle: "ffff:", dev: "d0", parent: "ffff:fff1", options: {} },
    { kind: "fq_codel", handle: "0:", dev: "d1", parent: ":1", options: {} },
  ]));
  deepStrictEqual([root!.interface, root!.parent, root!.type], ["d0", "root", "htb"]);
  deepStrictEqual([ingress!.parent, rest.length], ["ingress", 0]);
  strictEqual(parseQdiscs(JSON.stringify([htb(7)]))[0]!.hash, root!.hash);
});

Deno.test("a table's hash has the elements of sets that nobody fills, not those that DNS or rules fill", () => {
  const ruleset = `table inet otb_x {
	set fixed {
		type ipv4_addr
		flags interval
	}

	map ways {
		type ifname : verdict
	}

	set answers {
		type ipv4_addr
		timeout 1m
	}

	set callers {
		type ipv4_addr
		size 10
		flags dynamic,timeout
	}
}
table ip theirs {
	set fixed {
		type ipv4_addr
	}
}
`;
  const sets = staticSets(ruleset);
  deepStrictEqual(sets.map(({ kind, table, name }) => `${kind} ${table} ${name}`), [
    "set otb_x fixed",
    "map otb_x ways",
  ]);
  const hash = (...texts: string[]) =>
    parseNftTables(ruleset, sets.map((set, index) => ({ ...set, text: texts[index]! })))[0]!.hash;
  strictEqual(hash("a", "b"), hash("a", "b"));
  strictEqual(hash("a", "b") === hash("a", "c"), false);
});

Deno.test("a qdisc's hash has its classes, children and filters where it was asked about; a device that went shifts nothing", () => {
  const all = ["d0", "d1"].flatMap((dev) => [
    { kind: "htb", handle: "1:", dev, root: true, options: { default: "0x10" } },
    { kind: "bfifo", handle: "8001:", dev, parent: "1:10", options: { limit: 1 } },
    { kind: "ingress", handle: "ffff:", dev, parent: "ffff:fff1", options: {} },
  ]);
  const part = (rate: string, egress: string, ingress: string) => [
    '[{"kind":"htb","handle":"1:","root":true,"options":{}}]',
    `class htb 1:10 root leaf 8001: prio 0 rate ${rate}`,
    egress,
    ingress,
  ];
  const hashes = (...lines: string[][]) =>
    parseQdiscs([JSON.stringify(all), ...lines.flat()].join("\n"), ["gone", "d0", "d1"]).map((one) =>
      one.hash
    );
  const [root0, ingress0, root1, ingress1] = hashes(part("1Mbit", "[]", "[]"), part("2Mbit", "[]", "[]"));
  const other = hashes(part("1Mbit", "[]", '[{"pref":1}]'), part("3Mbit", "[]", "[]"));
  deepStrictEqual([other[0], other[3]], [root0, ingress1]);
  strictEqual(other[1] === ingress0, false);
  strictEqual(other[2] === root1, false);
});

import { strict as assert } from "node:assert";
import { candidates } from "./interfaces.ts";
import { planLinks } from "./links.ts";
import type { Attachment } from "./modem.ts";

function modem(number: number, parts: Partial<Attachment> = {}): Attachment {
  return {
    mac: `02:00:00:00:00:0${number}`,
    server: `192.168.${number}.1`,
    address: `192.168.${number}.50`,
    prefixLength: 24,
    gateway: `192.168.${number}.1`,
    interface: `wan${number}`,
    source: "lease",
    ...parts,
  };
}

/** Links as `name interface address via gateway`, then what is claimed, then what was refused. */
function said(
  ...[attachments, former = new Map(), settings = {}, taken = new Set(), lan]: Partial<
    Parameters<typeof planLinks>
  >
) {
  const plan = planLinks(attachments!, former, settings, taken, lan);
  return [
    ...[...plan.links].map(([name, link]) => `${name} ${link.interface} ${link.address} via ${link.gateway}`),
    ...plan.resources.map((resource) =>
      resource.kind === "address"
        ? `address ${resource.cidr} ${resource.interface}`
        : resource.kind === "route"
        ? `route ${resource.to} ${resource.interface}`
        : resource.kind
    ),
    ...plan.refused.map(({ message }) => message),
  ];
}

Deno.test("a port per modem, and two modems on one segment", () => {
  assert.deepEqual(said([modem(1), modem(2)]), [
    "wan-wan1 wan1 192.168.1.50/24 via 192.168.1.1",
    "wan-wan2 wan2 192.168.2.50/24 via 192.168.2.1",
    "address 192.168.1.50/24 wan1",
    "address 192.168.2.50/24 wan2",
  ]);
  assert.deepEqual(said([modem(1, { interface: "eth0" }), modem(2, { interface: "eth0" })]).slice(0, 2), [
    "wan-eth0 eth0 192.168.1.50/24 via 192.168.1.1",
    "wan-eth0-2 eth0 192.168.2.50/24 via 192.168.2.1",
  ]);
});

Deno.test("the LAN's own address does for a modem on the LAN", () => {
  const lan = { interface: "eth0", address: "192.168.1.50/24" };
  assert.deepEqual(said([modem(1, { interface: "eth0" })], undefined, undefined, undefined, lan), [
    "wan-eth0 eth0 192.168.1.50/24 via 192.168.1.1",
  ]);
});

Deno.test("a modem keeps its name on another port, a person's name wins, and a name is given once", () => {
  const former = new Map([[modem(1).mac, "wan-wan1"]]);
  assert.match(said([modem(1, { interface: "eth7" })], former)[0]!, /^wan-wan1 eth7/);
  // Another one on the old port does not take the name of the one that moved.
  assert.match(said([modem(2, { interface: "wan1" })], former)[0]!, /^wan-wan1-2 wan1/);
  assert.match(
    said([modem(1)], former, { [modem(1).mac]: { name: "fibre", ignore: false } })[0]!,
    /^fibre wan1/,
  );
  assert.match(said([modem(1)], undefined, undefined, new Set(["wan-wan1"]))[0]!, /^wan-wan1-2 /);
  assert.deepEqual(said([modem(1)], undefined, { [modem(1).mac]: { ignore: true } }), []);
});

Deno.test("a host prefix gets a route to its gateway, a huge one is cut, and one address twice is said", () => {
  assert.deepEqual(said([modem(1, { prefixLength: 32 })]), [
    "wan-wan1 wan1 192.168.1.50/32 via 192.168.1.1",
    "address 192.168.1.50/32 wan1",
    "route 192.168.1.1/32 wan1",
  ]);
  assert.match(said([modem(1, { prefixLength: 8 })])[0]!, /192\.168\.1\.50\/24/);
  assert.match(said([modem(1, { prefixLength: 0, gateway: "10.0.0.1" })])[0]!, /192\.168\.1\.50\/32/);
  assert.deepEqual(said([modem(1), modem(2, { address: "192.168.1.50" })]).slice(-1), [
    "The modems 02:00:00:00:00:01 and 02:00:00:00:00:02 gave the same address 192.168.1.50: only the first is used",
  ]);
});

Deno.test("modems are looked for on Ethernet, not on ports of a bridge nor on what containers make", () => {
  const device = (name: string, parts = {}) => ({
    name,
    mac: "02:00:00:00:00:01",
    up: true,
    carrier: true,
    mtu: 1500,
    ethernet: true,
    ...parts,
  });
  const found = candidates([
    device("eth0"),
    device("lo"),
    device("docker0"),
    device("eth1", { master: "br0" }),
    device("br0", { kind: "bridge" }),
    device("ppp0", { ethernet: false }),
    device("eth2"),
  ], ["eth2"]);
  assert.deepEqual(found.map(({ name }) => name), ["eth0", "br0"]);
});

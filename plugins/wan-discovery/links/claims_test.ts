import assert from "node:assert/strict";
import { lanResources, linkFact, linkResources } from "./claims.ts";
import type { PlannedLink } from "../search/known.ts";

const LAN = { name: "lan0", mac: "02:00:00:00:00:01" };
const GRANT = { address: "192.168.1.104", prefixLength: 24, router: "192.168.1.1", dns: [] };

function link(more: Partial<PlannedLink>): PlannedLink {
  return {
    ...{
      name: "wan-lan0",
      id: "02:00:00:00:01:01",
      mac: "02:00:00:00:01:01",
      slot: 1,
      present: true,
      interface: "lan0",
    },
    ...{ device: "otb-wan1", deviceMac: "02:00:00:00:00:aa", onLan: true, gateway: "192.168.1.1" },
    ...{ prefixLength: 24, fixed: false, description: "" },
    ...more,
  };
}

Deno.test("what devices send by a link on the LAN comes in by the LAN, not what its modem sends nor what is for the link", () => {
  const [table, ...rest] = lanResources(LAN, [link({})], () => GRANT);
  assert.equal(rest.length, 0);
  assert.ok(table?.kind === "nftTable" && table.family === "netdev");
  assert.match(table.body, /hook ingress device "lan0"/);
  assert.match(
    table.body,
    /ether daddr 02:00:00:00:00:aa ether saddr != 02:00:00:00:01:01 ip daddr != 192\.168\.1\.104 meta pkttype set host ether daddr set 02:00:00:00:00:01/,
  );
});

Deno.test("an address that another link has is translated on this link's interface alone, and answered for there", () => {
  const onPort = link({ onLan: false, interface: "wan2", device: "wan2", slot: 2 });
  const resources = linkResources(onPort, { ...GRANT, local: "192.168.1.109" });
  const addresses = resources.flatMap((one) =>
    one.kind === "address" ? [`${one.interface} ${one.cidr}`] : []
  );
  assert.deepEqual(addresses, ["wan2 192.168.1.109/24", "wan2 192.168.1.104/32"]);
  const [table] = resources.filter((one) => one.kind === "nftTable");
  assert.equal(table?.name, "otb_wan_link2");
  assert.match(table!.body, /oifname "wan2" ip saddr != 192\.168\.1\.104 snat to 192\.168\.1\.104/);
  assert.ok(linkResources(onPort, GRANT).every(({ kind }) => kind !== "nftTable"));
});

Deno.test("links on ports, without an address, or with the LAN's own need nothing of the kind, nor does a box without a LAN", () => {
  const grantOf = () => GRANT;
  assert.deepEqual(lanResources(LAN, [link({ onLan: false, interface: "wan1" })], grantOf), []);
  assert.deepEqual(lanResources(LAN, [link({ device: "lan0" })], grantOf), []);
  assert.deepEqual(lanResources(LAN, [link({})], () => undefined), []);
  assert.deepEqual(lanResources(undefined, [link({})], grantOf), []);
  assert.deepEqual(lanResources({ ...LAN, name: 'a"b' }, [link({})], grantOf), []);
});

Deno.test("a subnet within the LAN's is routed as the LAN's, behind its own route: no device of it is hidden", () => {
  const lan = { interface: "lan0", address: "192.168.1.5/24" };
  const routes = (grant: typeof GRANT, gateway: string) =>
    linkResources(link({ device: "wan1", interface: "wan1", onLan: false, gateway }), grant, lan).flatMap((
      one,
    ) => one.kind === "route" ? [`${one.to} ${one.metric}`] : []);
  assert.deepEqual(routes({ ...GRANT, prefixLength: 25 }, "192.168.1.1"), ["192.168.1.0/24 5001"]);
  assert.deepEqual(routes({ ...GRANT, prefixLength: 32 }, "192.168.1.1"), ["192.168.1.0/24 5001"]);
  assert.deepEqual(
    routes({ ...GRANT, prefixLength: 16 }, "192.168.1.1"),
    ["192.168.0.0/16 5001"],
    "the LAN's is longer",
  );
  const other = { ...GRANT, address: "192.168.7.9" };
  assert.deepEqual(routes(other, "192.168.7.1"), ["192.168.7.0/24 5001"]);
  assert.deepEqual(routes(other, "192.168.1.9"), ["192.168.7.0/24 5001", "192.168.1.0/24 5001"]);
});

Deno.test("others are told the resolvers that a modem told, and of none where it told none", () => {
  const dns = ["192.168.1.1", "80.10.246.2"];
  assert.deepEqual(linkFact(link({}), { ...GRANT, dns }).resolvers, dns);
  assert.equal(linkFact(link({}), GRANT).resolvers, undefined);
  assert.equal(linkFact(link({})).resolvers, undefined);
});

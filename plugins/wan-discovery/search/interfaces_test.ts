import assert from "node:assert/strict";
import type { InterfaceFact } from "@otb/plugin";
import { isSearchable, kindOf } from "./interfaces.ts";

const device = (fact: Partial<InterfaceFact>): InterfaceFact => ({
  ...{
    name: "eth1",
    index: 2,
    mac: "02:00:00:00:00:01",
    mtu: 1500,
    up: true,
    carrier: true,
    hardware: 1,
    addresses: [],
  },
  ...fact,
});

Deno.test("interfaces are known by driver, hardware and, last, by name", () => {
  const cases: [Partial<InterfaceFact>, string][] = [
    [{ driver: "r8169" }, "ethernet"],
    [{ driver: "r8152", name: "enx00e04c680001" }, "usb"],
    [{ driver: "rndis_host", name: "usb0" }, "phone"],
    [{ driver: "cdc_mbim", name: "wwan0" }, "lte"],
    [{ driver: "qmi_wwan", hardware: 65534, mac: undefined }, "lte"],
    [{ name: "wwan0" }, "lte"],
    [{ driver: "iwlwifi", name: "wlan0" }, "wifi"],
    [{ hardware: 512, name: "ppp0", type: "ppp" }, "ppp"],
    [{ type: "veth" }, "ethernet"],
    [{ type: "bridge" }, "virtual"],
  ];
  for (const [fact, kind] of cases) assert.equal(kindOf(device(fact)), kind, JSON.stringify(fact));
});

Deno.test("searched is Ethernet of any sort and the LAN's own device; no port of a bridge, nothing of ours", () => {
  const searched = (fact: Partial<InterfaceFact>) => isSearchable(device(fact), "br0");
  assert.ok(
    searched({ driver: "r8169" }) && searched({ driver: "rndis_host" }) && searched({ type: "vlan" }),
  );
  assert.ok(searched({ name: "br0", type: "bridge" }));
  for (
    const fact of [
      ...[{ name: "docker0", type: "bridge" }, { controller: "br0" }, { type: "macvlan" }, { type: "ifb" }],
      ...[{ name: "lo", hardware: 772 }, { hardware: 512 }, { type: "tun", mac: undefined }],
    ]
  ) assert.ok(!searched(fact), JSON.stringify(fact));
});

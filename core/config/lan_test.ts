import { strict as assert } from "node:assert";
import fc from "fast-check";
import type { Link } from "../contract/mod.ts";
import { checkLan, checkLanPlace, lanWarnings } from "./lan.ts";
import { checkNetwork, networkSchema } from "./network.ts";

const lan = (device: string, address: string) => ({ interface: device, address });
const codes = (problems: { code: string }[]) => problems.map(({ code }) => code);

Deno.test("a LAN that no device can use is refused: the loopback, the network's own addresses, nobody's", () => {
  const cases: [string, string, string[]][] = [
    ["eth0", "192.168.177.1/24", []],
    ["eth0", "10.0.0.1/31", []],
    ["eth0", "fd00::1/64", []],
    ["lo", "192.168.177.1/24", ["lan-interface-useless"]],
    ["eth0", "192.168.177.0/24", ["lan-address-useless"]],
    ["eth0", "192.168.177.255/24", ["lan-address-useless"]],
    ["eth0", "192.168.177.128/25", ["lan-address-useless"]],
    ["eth0", "127.0.0.1/8", ["lan-address-useless"]],
    ["eth0", "224.0.0.1/24", ["lan-address-useless"]],
    ["eth0", "0.0.0.0/24", ["lan-address-useless"]],
    ["lo", "192.168.177.0/24", ["lan-interface-useless", "lan-address-useless"]],
  ];
  for (const [device, address, expected] of cases) {
    const found = checkLan(lan(device, address));
    assert.deepEqual(codes(found), expected, address);
    for (const { message } of found) {
      assert.match(message, /^Cannot use the LAN as [^\n]+: current value is "/);
    }
    const network = networkSchema.parse({
      role: "box",
      peers: [{ address: "198.51.100.11" }],
      lan: lan(device, address),
    });
    assert.deepEqual(codes(checkNetwork(network)), expected, "the settings as a whole say the same");
  }
});

Deno.test("property: of every subnet all addresses can be the box's but the first and the last", () => {
  fc.assert(fc.property(fc.integer({ min: 16, max: 30 }), fc.nat(), (length, pick) => {
    const size = 2 ** (32 - length);
    const at = (offset: number) => {
      const value = 10 * 2 ** 24 + offset;
      return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join(".");
    };
    for (const offset of [0, 1, 1 + pick % (size - 2), size - 2, size - 1]) {
      assert.equal(
        checkLan(lan("eth0", `${at(offset)}/${length}`)).length,
        offset === 0 || offset === size - 1 ? 1 : 0,
        `${at(offset)}/${length}`,
      );
    }
  }));
});

Deno.test("a LAN interface that is not there is told with those that are; where nobody knows, nothing is said", () => {
  const places = [{ name: "lo" }, { name: "eth0" }, { name: "otb-wan1", parent: "eth0" }, { name: "wlan7" }];
  assert.deepEqual(checkLanPlace(lan("eth0", "192.168.177.1/24"), places), []);
  assert.deepEqual(checkLanPlace(lan("eth77", "192.168.177.1/24"), undefined), []);
  const [problem] = checkLanPlace(lan("eth77", "192.168.177.1/24"), places);
  assert.match(problem!.message, /must be there \(eth0, wlan7\): current value is "eth77"$/);
});

Deno.test("a LAN with a modem's subnet is warned of, but not with that of a modem on the LAN itself", () => {
  const link = (name: string, device: string, address: string, found = true): Link => ({
    ...{ name, interface: device, found, tier: "primary" },
    observed: { state: "up", address, prefixLength: 24 },
  });
  const links = [
    link("same", "eth1", "192.168.1.50"),
    link("there", "otb-wan2", "192.168.1.51"),
    link("other", "eth2", "192.168.2.50"),
    link("set", "eth3", "192.168.1.52", false),
  ];
  const places = [{ name: "eth0" }, { name: "eth1" }, { name: "otb-wan2", parent: "eth0" }];
  const [warning, ...rest] = lanWarnings(lan("eth0", "192.168.1.5/24"), links, places);
  assert.match(warning!.message, /subnet of link "same" \(192\.168\.1\.50\/24\)/);
  assert.deepEqual(rest, []);
});

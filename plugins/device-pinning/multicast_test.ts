// Unit tests: whose multicast belongs to which link.
import { strict as assert } from "node:assert";
import fc from "fast-check";
import { multicastWays } from "./multicast.ts";
import { anyWish, MAC, settings, way, wish } from "./testing/pinning.ts";

const OTHER = "02:00:00:00:00:0b";
const pinned = (match: object, extra: object = {}) => ({ match, way: "link", link: "cable", ...extra });
const ways = (config: object, extra = {}) =>
  multicastWays(
    wish(
      settings(
        Array.isArray(config) ? { rules: config.map((rule, at) => ({ name: `r${at}`, ...rule })) } : config,
      ),
      extra,
    ),
  );

Deno.test("a device that is pinned to a link has its multicast there, and nobody else", () => {
  assert.deepEqual(ways([pinned({ device: MAC })]), [{ link: "cable", interface: "wan2", devices: [MAC] }]);
  assert.deepEqual(ways([pinned({ device: MAC, addresses: ["239.0.0.0/8"] })])[0]?.devices, [MAC]);
  assert.deepEqual(ways([pinned({ device: MAC, addresses: ["0.0.0.0/0"], protocol: "udp" })])[0]?.devices, [
    MAC,
  ]);
  assert.deepEqual(ways([pinned({})]), [], "not for everybody");
});

Deno.test("rules about ports, names, TCP or other addresses say nothing of multicast", () => {
  for (
    const match of [{ ports: ["443"] }, { domains: ["tv.example"] }, { protocol: "tcp" }, {
      addresses: ["203.0.113.0/24"],
    }, { addresses: ["ff00::/8"] }]
  ) assert.deepEqual(ways([pinned({ device: MAC, ...match })]), [], JSON.stringify(match));
});

Deno.test("the first rule decides: one that keeps a device on the bond, or everybody, stands before", () => {
  assert.deepEqual(ways([{ match: { device: MAC }, way: "bonded" }, pinned({ device: MAC })]), []);
  assert.deepEqual(ways([{ match: {}, way: "bonded" }, pinned({ device: MAC })]), []);
  assert.deepEqual(ways([pinned({ device: MAC }), { match: { device: MAC }, way: "block" }]).length, 1);
  assert.deepEqual(ways([pinned({ device: MAC }, { enabled: false })]), []);
});

Deno.test("channels of a dead link are looked for nowhere else, and a device behind a kill-switch of its own has none", () => {
  const dead = [way("fibre", 1), way("cable", 2, { usable: false })];
  for (const ifDead of ["bonded", "other-link", "block"]) {
    assert.deepEqual(ways([pinned({ device: MAC }, { ifDead })], { ways: dead }), []);
  }
  const config = { rules: [{ name: "tv", ...pinned({ group: "tv" }) }] };
  const devices = { [MAC]: { groups: ["tv"], whenPeerGone: "block" }, [OTHER]: { groups: ["tv"] } };
  assert.deepEqual(ways({ ...config, devices })[0]?.devices, [OTHER]);
});

Deno.test("whatever the rules: no device twice, and only links that are alive", () => {
  fc.assert(fc.property(anyWish, (wish) => {
    const found = multicastWays(wish);
    const devices = found.flatMap(({ devices }) => devices);
    assert.equal(new Set(devices).size, devices.length);
    for (const { link, devices } of found) {
      assert.ok(devices.length > 0);
      assert.ok(wish.ways.find((way) => way.link === link)!.usable);
    }
  }));
});

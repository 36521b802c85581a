import { strict as assert } from "node:assert";
import { type LinkSettings, type ObservedLinks, observeLinks, observeUplinks } from "./links.ts";

const fibre: LinkSettings = {
  interface: "wan1",
  address: "192.168.11.2/24",
  gateway: "192.168.11.1",
  tier: "primary",
};
const wan1 = {
  name: "wan1",
  mtu: 1500,
  up: true,
  carrier: true,
  addresses: [{ family: 4 as const, address: "192.168.11.2", prefixLength: 24 }],
};

function state(settings: LinkSettings, observed: ObservedLinks): string {
  const { state, reason, address, gateway } = observeLinks({ fibre: settings }, observed)[0]!.observed;
  return [state, reason, address, gateway].map((word) => word ?? "-").join(" | ");
}

Deno.test("a found link that is away is down, for the reason that its finder gives, whatever its interface is like", () => {
  const away = { interface: "wan1", address: "192.168.11.2/24", gateway: "192.168.11.1", away: "gone" };
  for (const interfaces of [[], [wan1]]) {
    const [link] = observeLinks({}, { interfaces, routes: [] }, {
      links: new Map([["fibre", away]]),
      health: new Map(),
    });
    assert.deepEqual(link!.observed, { state: "down", reason: "gone", gateway: "192.168.11.1" });
  }
});

Deno.test("links say what the kernel shows and what is missing", () => {
  const cases: [string, LinkSettings, ObservedLinks, string][] = [
    ["all there", fibre, { interfaces: [wan1], routes: [] }, "up | - | 192.168.11.2 | 192.168.11.1"],
    ["gone", fibre, { interfaces: [], routes: [] }, "missing | interface wan1 is not there | - | -"],
    [
      "switched off",
      fibre,
      { interfaces: [{ ...wan1, up: false }], routes: [] },
      "down | interface wan1 is switched off | 192.168.11.2 | 192.168.11.1",
    ],
    [
      "unplugged",
      fibre,
      { interfaces: [{ ...wan1, carrier: false }], routes: [] },
      "down | interface wan1 has no carrier: is the cable plugged in? | 192.168.11.2 | 192.168.11.1",
    ],
    [
      "another address",
      { ...fibre, address: "192.168.11.9/24" },
      { interfaces: [wan1], routes: [] },
      "down | interface wan1 has no address | - | 192.168.11.1",
    ],
    ["taken from the system", { interface: "wan1", tier: "backup" }, {
      interfaces: [wan1],
      routes: [{ family: 4, table: 254, to: "default", via: "192.168.11.1", interface: "wan1" }],
    }, "up | - | 192.168.11.2 | 192.168.11.1"],
    [
      "no gateway",
      { interface: "wan1", tier: "backup" },
      { interfaces: [wan1], routes: [] },
      "down | no gateway is known on interface wan1 | 192.168.11.2 | -",
    ],
  ];
  for (const [name, settings, observed, expected] of cases) {
    assert.equal(state(settings, observed), expected, name);
  }
});

Deno.test("a found link is a link; settings of its name hold for it, and its health goes with it", () => {
  const found = {
    links: new Map([["livebox", {
      interface: "wan1",
      address: "192.168.11.2/24",
      gateway: "192.168.11.1",
      description: "Livebox",
    }]]),
    health: new Map([["livebox", { state: "degraded" as const, sinceMs: 1 }]]),
  };
  const there: ObservedLinks = { interfaces: [wan1], routes: [] };
  const [plain] = observeLinks({}, there, found);
  assert.deepEqual([plain!.tier, plain!.observed.state, plain!.observed.gateway, plain!.health?.state], [
    "primary",
    "up",
    "192.168.11.1",
    "degraded",
  ]);
  const [set] = observeLinks({ livebox: { tier: "backup", upMbps: 3 } }, there, found);
  assert.deepEqual([set!.tier, set!.upMbps, set!.interface], ["backup", 3, "wan1"]);
  assert.deepEqual(observeLinks({ gone: { tier: "backup" } }, there, found).map(({ name }) => name), [
    "livebox",
  ]);
});

Deno.test("a peer's uplink is the system's default route", () => {
  const routes = [
    { family: 4 as const, table: 254, to: "10.0.0.0/8", via: "192.168.11.9", interface: "wan1" },
    { family: 4 as const, table: 254, to: "default", via: "192.168.11.1", interface: "wan1" },
    { family: 6 as const, table: 254, to: "default", via: "fe80::1", interface: "gone" },
  ];
  assert.deepEqual(
    observeUplinks({ interfaces: [wan1], routes }).map(({ name, interface: device, observed }) => [
      name,
      device,
      observed.gateway,
      observed.address,
    ]),
    [["uplink", "wan1", "192.168.11.1", "192.168.11.2"]],
  );
});

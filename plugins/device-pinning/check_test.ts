import { strict as assert } from "node:assert";
import fc from "fast-check";
import type { Link } from "@otb/plugin";
import { check, shadowed } from "./check.ts";
import { number } from "./rules/numbers.ts";
import { anyConfig, MAC, settings } from "./testing/pinning.ts";
import { config as schema } from "./config.ts";

const links: Link[] = ["fibre", "cable"].map((name) => ({
  name,
  interface: `${name}0`,
  found: false,
  tier: "primary",
  observed: { state: "up" },
}));
const codes = (config: unknown) =>
  check(settings(config), { links }).map(({ code, path }) => `${code} ${path}`);
const rules = (...rules: object[]) => ({
  rules: rules.map((rule, index) => ({ name: `r${index}`, ...rule })),
});

Deno.test("what contradicts is refused, with its place", () => {
  const cases: [unknown, string[]][] = [
    [rules({ way: "block" }), []],
    [rules({ way: "link" }), ["link-missing rules.0.link"]],
    [rules({ way: "link", link: "lte" }), ["link-unknown rules.0.link"]],
    [rules({ way: "bonded", link: "fibre" }), ["link-unused rules.0.link"]],
    [rules({ way: "block" }, { name: "r0", match: { protocol: "tcp" }, way: "block" }), [
      "rule-exists rules.1.name",
    ]],
    [rules({ way: "block" }, { way: "block" }), ["rule-twice rules.1"]],
    [
      rules(
        { match: { protocol: "tcp", ports: ["25"] }, way: "block" },
        { match: { ports: ["25"], protocol: "tcp" }, way: "bonded" },
      ),
      ["rule-contradicts rules.1"],
    ],
    [rules({ way: "block" }, { way: "bonded", enabled: false }), []],
    [rules({ match: { device: "tv" }, way: "block" }), ["device-unknown rules.0.match.device"]],
    [rules({ match: { group: "kids" }, way: "block" }), ["device-unknown rules.0.match.group"]],
    [rules({ match: { application: "chess" }, way: "block" }), [
      "application-unknown rules.0.match.application",
    ]],
    [
      rules({ match: { application: "sip", ports: ["5060"] }, way: "block" }),
      ["application-mixed rules.0.match.ports"],
    ],
    [rules({ match: { addresses: ["10.0.0.0/33"] }, way: "block" }), [
      "address-invalid rules.0.match.addresses.0",
    ]],
    [rules({ match: { addresses: ["010.0.0.1"] }, way: "block" }), [
      "address-invalid rules.0.match.addresses.0",
    ]],
    [rules({ match: { addresses: ["1::2::3"] }, way: "block" }), [
      "address-invalid rules.0.match.addresses.0",
    ]],
    [rules({ match: { ports: ["90-80"] }, way: "block" }), ["port-invalid rules.0.match.ports.0"]],
    [rules({ match: { ports: ["0"] }, way: "block" }), ["port-invalid rules.0.match.ports.0"]],
    [
      { devices: { [MAC]: { name: "tv" }, "02:00:00:00:00:0b": { name: "tv" } } },
      ["device-name-twice devices.02:00:00:00:00:0b.name"],
    ],
    [
      {
        devices: { [MAC]: { name: "tv", whenPeerGone: "block" } },
        ...rules({ match: { device: "tv" }, way: "link", link: "fibre" }),
      },
      ["pin-against-kill-switch rules.0.way"],
    ],
  ];
  for (const [config, wanted] of cases) assert.deepEqual(codes(config), wanted, JSON.stringify(config));
});

Deno.test("every refusal says what to do or names the value, in one sentence", () => {
  for (
    const problem of check(settings(rules({ way: "link", link: "lte", match: { device: "tv" } })), { links })
  ) {
    assert.match(problem.message, /^Cannot .* as .*: current value is ".*"$/);
    assert.ok(problem.next);
  }
});

Deno.test("the schema refuses what could reach a command", () => {
  const hostile = ['tv"', "tv; reboot", "}", "../x", "a b", "", "tv\n", "$(id)"];
  for (const text of hostile) {
    for (
      const config of [
        rules({ name: text, way: "block" }),
        rules({ match: { domains: [text] }, way: "block" }),
        rules({ match: { addresses: [text] }, way: "block" }),
        rules({ match: { ports: [text] }, way: "block" }),
        rules({ way: "link", link: text }),
        { devices: { [text]: { name: "tv" } } },
        { devices: { [MAC]: { name: text } } },
      ]
    ) {
      assert.equal(schema.safeParse(config).success, false, JSON.stringify(config));
    }
  }
  assert.deepEqual(codes(rules({ match: { device: 'tv"; }' }, way: "block" })), [
    "device-unknown rules.0.match.device",
  ]);
});

Deno.test("rules that an earlier one takes whole are told", () => {
  const config = settings(rules(
    { match: { addresses: ["10.0.0.0/8"], protocol: "udp" }, way: "bonded" },
    { match: { addresses: ["10.1.0.0/16"], protocol: "udp", ports: ["53"], device: MAC }, way: "block" },
    { match: { addresses: ["10.1.0.0/16"] }, way: "block" },
    { match: { domains: ["example.org"] }, way: "block" },
    { way: "block" },
    { match: { device: MAC }, way: "bonded" },
  ));
  assert.deepEqual(shadowed(config), [{ rule: "r1", by: "r0" }, { rule: "r5", by: "r4" }]);
});

Deno.test("property: numbers stay with their rules, differ, and come back as late as can be", () => {
  fc.assert(
    fc.property(fc.array(fc.uniqueArray(fc.nat(30), { maxLength: 12 }), { maxLength: 30 }), (steps) => {
      const max = 20;
      let numbering = { numbers: {} as { [rule: string]: number }, last: 0 };
      for (const wanted of steps) {
        const names = wanted.map((n) => `r${n}`);
        const next = number(names, numbering, max);
        assert.deepEqual(Object.keys(next.numbers).sort(), [...names].sort());
        assert.equal(new Set(Object.values(next.numbers)).size, names.length);
        for (const [name, value] of Object.entries(next.numbers)) {
          assert.ok(value >= 1 && value <= max);
          if (name in numbering.numbers) assert.equal(value, numbering.numbers[name]);
        }
        numbering = next;
      }
    }),
  );
  assert.deepEqual(number(["b"], { numbers: { a: 1 }, last: 1 }, 5), { numbers: { b: 2 }, last: 2 });
});

Deno.test("property: a check never throws, and its paths are there", () => {
  fc.assert(fc.property(anyConfig, (config) => {
    for (const { path } of check(config, { links })) {
      const [first, index] = path.split(".");
      assert.ok(
        first === "devices" || first === "rules" && (index === undefined || config.rules[Number(index)]),
      );
    }
  }));
});

import { strict as assert } from "node:assert";
import { askers, namesSentence, namesWays } from "./names.ts";
import { MAC, settings, way, wish } from "./testing/pinning.ts";

const OTHER = "02:00:00:00:00:0b";
const RESOLVERS = [{ link: "cable", port: 5337, servers: ["192.168.12.1"] }];
const whole = (name: string, extra: object = {}) => ({
  name,
  match: { device: MAC },
  way: "link",
  link: "cable",
  ...extra,
});
const ask = (config: object, extra = {}) => askers(wish(settings(config), extra), RESOLVERS);
const say = (config: object, extra = {}, resolvers = RESOLVERS) =>
  namesSentence(MAC, wish(settings(config), extra), resolvers);

Deno.test("a device that is pinned whole to a link, by itself or by its group, asks that link's resolver, and nobody else does", () => {
  assert.deepEqual(ask({ rules: [whole("tv")] }), [{ port: 5337, macs: [MAC] }]);
  const devices = { [MAC]: { groups: ["salon"] }, [OTHER]: { groups: ["salon"] } };
  assert.deepEqual(ask({ devices, rules: [whole("tv", { match: { group: "salon" } })] }), [
    { port: 5337, macs: [MAC, OTHER] },
  ]);
  for (
    const match of [
      {},
      { device: MAC, ports: ["443"] },
      { device: MAC, protocol: "udp" },
      { device: MAC, domains: ["example.org"] },
      { device: MAC, addresses: ["203.0.113.0/24"] },
      { device: MAC, application: "netflix" },
    ]
  ) assert.deepEqual(ask({ rules: [whole("tv", { match })] }), [], JSON.stringify(match));
  assert.deepEqual(ask({ rules: [whole("tv", { enabled: false })] }), []);
  assert.match(
    say({ rules: [whole("tv")] })!,
    /asked of link "cable"'s own resolver \(192\.168\.12\.1\) over that link, in clear and not through the peer/,
  );
});

Deno.test("the first rule that is about the whole device decides", () => {
  const bonded = { name: "bond", match: { device: MAC }, way: "bonded" };
  assert.deepEqual(ask({ rules: [bonded, whole("tv")] }), []);
  assert.deepEqual(ask({ rules: [whole("tv"), bonded] }), [{ port: 5337, macs: [MAC] }]);
  assert.deepEqual(ask({ rules: [{ name: "all", way: "bonded" }, whole("tv")] }), []);
  assert.equal(say({ rules: [bonded, whole("tv")] }), undefined);
});

Deno.test("with a kill-switch, a dead link, no resolver, or a rule that learns from the box's answers, names go through the peer, and it is said why", () => {
  const rules = [whole("tv", { ifDead: "other-link" })];
  const films = { name: "films", match: { domains: ["films.example"] }, way: "link", link: "fibre" };
  const dead = { ways: [way("fibre", 1), way("cable", 2, { usable: false })] };
  for (
    const [config, extra, resolvers, because] of [
      [{ whenPeerGone: "block", rules }, {}, RESOLVERS, /the kill-switch/],
      [{ devices: { [MAC]: { whenPeerGone: "block" } }, rules }, {}, RESOLVERS, /the kill-switch/],
      [{ rules }, dead, RESOLVERS, /link "cable" is dead/],
      [{ rules }, {}, [], /no resolver of link "cable" is known/],
      [{ rules: [films, ...rules] }, {}, RESOLVERS, /rule "films", which stands before/],
    ] as const
  ) {
    const given = wish(settings(config), extra);
    assert.deepEqual(askers(given, resolvers), []);
    assert.match(namesSentence(MAC, given, resolvers)!, because);
    assert.match(namesSentence(MAC, given, resolvers)!, /through the peer/);
  }
  // Excepted from the box's kill-switch, or learning only for what the rule before has left.
  const excepted = { whenPeerGone: "block", devices: { [MAC]: { whenPeerGone: "direct" } }, rules };
  assert.deepEqual(ask(excepted), [{ port: 5337, macs: [MAC] }]);
  assert.deepEqual(ask({ rules: [...rules, films] }), [{ port: 5337, macs: [MAC] }]);
});

Deno.test("1,000 devices and 1,000 rules are looked through at once", () => {
  const macs = Array.from(
    { length: 1_000 },
    (_, index) =>
      `02:00:00:00:${(index >> 8).toString(16).padStart(2, "0")}:${
        (index & 255).toString(16).padStart(2, "0")
      }`,
  );
  const given = wish(settings({
    rules: macs.map((mac, index) => whole(`r${index}`, { match: { device: mac } })),
  }));
  assert.equal(namesWays(given, RESOLVERS).size, 1_000);
});

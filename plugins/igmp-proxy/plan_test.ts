// Unit tests: what igmpproxy is told, what the filter lets through, and when nothing runs.
import { strict as assert } from "node:assert";
import fc from "fast-check";
import { drawn, type InterfaceFact, type MulticastWayFact } from "@otb/plugin";
import { config as schema } from "./config.ts";
import { plan, TABLE } from "./plan.ts";
import { parse } from "./routes.ts";
import { words } from "./texts/mod.ts";

const TV = "02:00:00:00:00:0a";
const LAN = { interface: "lan0", address: "192.168.100.1/24" };

function device(name: string, addresses: string[], extra: Partial<InterfaceFact> = {}): InterfaceFact {
  return { name, index: 1, mtu: 1500, up: true, carrier: true, hardware: 1, addresses, ...extra };
}

const BOX = [
  device("lan0", ["192.168.100.1/24", "fe80::1/64"]),
  device("wan1", ["192.168.11.2/24"]),
  device("wan2", ["192.168.12.2/24"], { index: 2 }),
];
const CABLE: MulticastWayFact = { link: "cable", interface: "wan2", devices: [TV] };
const FIBRE: MulticastWayFact = { link: "fibre", interface: "wan1", devices: ["02:00:00:00:00:0b"] };

function planned(ways: MulticastWayFact[], given: object = {}, box = BOX) {
  return plan({
    config: schema.parse(given),
    lan: LAN,
    ways,
    interfaces: new Map(box.map((facts) => [facts.name, facts])),
  });
}

Deno.test("one link and its devices: that link is upstream, the LAN downstream, and only those devices are heard", () => {
  const { link, proxy, filter, apart } = planned([CABLE]);
  assert.equal(link, "cable");
  assert.match(proxy!, /^phyint wan2 upstream .*\n {2}altnet 0\.0\.0\.0\/0$/m);
  assert.match(proxy!, /^phyint lan0 downstream /m);
  assert.doesNotMatch(proxy!, /wan1/);
  assert.match(filter!, new RegExp(`meta l4proto igmp ether saddr != { ${TV} } drop`));
  assert.equal(apart, undefined);
});

Deno.test("what stays on a LAN is not asked for, unless a person names it", () => {
  const inside = (text: string, address: string) => {
    const value = (dotted: string) => dotted.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
    return [...text.matchAll(/whitelist (\S+)\/(\d+)/g)].some(([, base, length]) =>
      Math.floor(value(address) / 2 ** (32 - Number(length))) ===
        Math.floor(value(base!) / 2 ** (32 - Number(length)))
    );
  };
  const all = planned([CABLE]).proxy!;
  fc.assert(fc.property(fc.integer({ min: 224, max: 239 }), fc.nat(255), fc.nat(255), (a, b, c) => {
    assert.equal(inside(all, `${a}.${b}.${c}.1`), !(a === 239 && b === 255));
  }));
  const own = planned([CABLE], { groups: ["239.255.1.0/24"] }).proxy!;
  assert.ok(inside(own, "239.255.1.7") && !inside(own, "239.1.1.1"));
});

Deno.test("two links: one is served, and which devices have nothing is told", () => {
  const { link, apart } = planned([FIBRE, CABLE]);
  assert.equal(link, "cable");
  assert.equal(apart?.[0], "multicast-links");
  assert.match(drawn(words, apart!).message, /not over "fibre"/);
});

Deno.test("nothing runs where nobody asks, it is switched off, or modem and devices share a segment", () => {
  assert.equal(planned([]).proxy, undefined);
  assert.equal(planned([CABLE], { enabled: false }).reason, "switched off");
  const onLan = BOX.map((facts) => facts.name === "wan2" ? { ...facts, parent: "lan0" } : facts);
  assert.match(planned([CABLE], {}, onLan).reason!, /own segment/);
  assert.equal(planned([CABLE], {}, onLan).filter, undefined);
  assert.equal(planned([{ ...CABLE, interface: "gone0" }]).proxy, undefined);
  assert.match(planned([CABLE], {}, [BOX[0]!, device("wan2", [])]).reason!, /no IPv4 address/);
});

Deno.test("other addresses make another configuration: igmpproxy reads them when it starts", () => {
  const moved = BOX.map((facts) =>
    facts.name === "wan2" ? { ...facts, addresses: ["192.168.12.9/24"] } : facts
  );
  assert.notEqual(planned([CABLE]).proxy, planned([CABLE], {}, moved).proxy);
  const six = BOX.map((facts) =>
    facts.name === "lan0" ? { ...facts, addresses: [...facts.addresses, "fd00::1/64"] } : facts
  );
  assert.equal(planned([CABLE]).proxy, planned([CABLE], {}, six).proxy);
});

Deno.test("names that could mean something else to nft or igmpproxy are left alone", () => {
  for (const name of ["wan2 upstream", 'w"; drop', "wan2\nphyint", ""]) {
    const box = [BOX[0]!, device(name, ["192.168.12.2/24"])];
    assert.equal(planned([{ ...CABLE, interface: name }], {}, box).proxy, undefined, name);
  }
});

Deno.test("nft accepts the filter", async () => {
  const child = new Deno.Command("unshare", {
    args: ["--net", "nft", "--check", "--file", "-"],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(`table inet ${TABLE} {\n${planned([CABLE]).filter}}\n`));
  await writer.close();
  const { success, stderr } = await child.output();
  assert.ok(success, new TextDecoder().decode(stderr));
});

Deno.test("the kernel's routes: those that go to the LAN are channels", () => {
  const said = [
    { dst: "239.1.1.1", src: "198.18.2.1", iif: "wan2", multipath: [{ oif: "lan0" }], bytes: 35779 },
    { dst: "239.1.1.2", src: "198.18.2.1", iif: "unresolved" },
    { dst: "239.1.1.3", src: "198.18.2.1", iif: "wan2", multipath: [{ oif: "wan1" }] },
  ];
  assert.deepEqual(parse(JSON.stringify(said), "lan0"), [{
    group: "239.1.1.1",
    source: "198.18.2.1",
    bytes: 35779,
  }]);
  assert.deepEqual(parse("", "lan0"), []);
});

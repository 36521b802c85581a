// The pure parts beside the machine: addresses, leases, holds, devices, facts, recipes, settings.
import assert from "node:assert/strict";
import fc from "fast-check";
import { inRange, ipv4Network, ipv4Number, ipv4Text, type ResolverFact } from "@otb/plugin";
import { checkSettings } from "./check.ts";
import { config } from "./config.ts";
import { devices } from "./devices.ts";
import { deviceNames, dnsSets, localDomainsOf, resolverOf, serverOf } from "./facts.ts";
import { type Hold, holdsWith, quarantineWith, type Refused } from "./holds.ts";
import { hostName, mergeLeases, parseLeases, shiftLeases } from "./leases.ts";
import { parseArpTable } from "./neighbours.ts";
import { GENERIC, instructions, readRecipes, recipeFor } from "./recipes.ts";

const LEASES = `1700000000 02:00:00:00:00:01 192.168.100.51 phone 01:02:00:00:00:00:01
1700000000 02:00:00:00:00:02 192.168.100.52 * *
`;

Deno.test("a lease file is read; what is cut off, of IPv6 or broken is left out", () => {
  assert.deepEqual(parseLeases(LEASES).map(({ address, name, clientId }) => [address, name, clientId]), [
    ["192.168.100.51", "phone", "01:02:00:00:00:00:01"],
    ["192.168.100.52", undefined, "*"],
  ]);
  assert.equal(parseLeases(LEASES.slice(0, -3)).length, 1, "half a line may be half an address");
  assert.deepEqual(parseLeases("duid 00:01\n1700000000 1 fd00::5 name 00:01\nx y z\n"), []);
});

Deno.test("what a power cut left of the lease file is completed by the copy, and no address is given twice", () => {
  assert.equal(mergeLeases("", LEASES), LEASES);
  assert.equal(mergeLeases(LEASES.slice(0, 80), LEASES), LEASES);
  const moved = "1800000000 02:00:00:00:00:02 192.168.100.51 tablet *\n";
  assert.equal(
    mergeLeases(moved, LEASES),
    moved,
    "the file knows better who has an address, and which a device has",
  );
});

Deno.test("property: wherever the file was cut, every lease of the copy is back and none is doubled", () => {
  const text = (count: number) =>
    Array.from(
      { length: count },
      (_, i) => `17000000${i % 10}0 02:00:00:00:00:${(i + 16).toString(16)} 192.168.100.${i + 10} d${i} *\n`,
    ).join("");
  fc.assert(fc.property(fc.integer({ min: 1, max: 40 }), fc.nat(3_000), (count, cut) => {
    const merged = parseLeases(mergeLeases(text(count).slice(0, cut), text(count)));
    assert.equal(merged.length, count);
    assert.equal(new Set(merged.map(({ address }) => address)).size, count);
    assert.equal(new Set(merged.map(({ mac }) => mac)).size, count);
  }));
});

Deno.test("after a jump of the clock leases end when their devices think so", () => {
  const lease = (seconds: number, host: number, name = "*") =>
    `${seconds} 02:00:00:00:00:${host} 192.168.100.${host} ${name} *\n`;
  // A box that woke up in 1970 and is told the time; one lease is from before its sleep, one for ever.
  const [before, after] = [1_000, 1_700_000_000];
  const known = lease(1_060, 10) + lease(1_090, 11) + lease(1_700_000_500, 12) + lease(0, 13);
  const shifted = lease(1_700_000_060, 10) + lease(1_700_000_090, 11) + lease(1_700_000_500, 12) +
    lease(0, 13);
  assert.equal(shiftLeases(known, parseLeases(known), before, after), shifted);
  assert.equal(
    shiftLeases("", parseLeases(known), before, after),
    shifted,
    "also what dnsmasq ended already",
  );
  const unknown = parseLeases(known).slice(1);
  assert.deepEqual(
    parseLeases(shiftLeases(known, unknown, before, after)).map(({ line }) => line).sort(),
    parseLeases(shifted).map(({ line }) => line).sort(),
    "also one of the last moment",
  );
  const renewed = lease(1_700_000_120, 11);
  const [first = "", second = "", ...rest] = shifted.split("\n");
  assert.deepEqual(
    parseLeases(shiftLeases(renewed, parseLeases(known), before, after)).map(({ line }) => line).sort(),
    [first, second.replace("090", "120"), ...rest.filter((line) => line)].sort(),
    "what was written since stands",
  );
  assert.equal(
    shiftLeases(lease(1_700_000_060, 10), parseLeases(lease(1_700_000_060, 10)), after, before),
    lease(1_060, 10),
  );
});

Deno.test("a device's name is a label or nothing", () => {
  assert.equal(hostName("My-Phone"), "my-phone");
  assert.equal(hostName("phone.example.org"), "phone");
  for (
    const hostile of ["*", "", "$(reboot)", "a b", "-x", "x;y", "<script>", "a".repeat(64), "../x", "x_y"]
  ) {
    assert.equal(hostName(hostile), undefined, hostile);
  }
});

Deno.test("the ARP table says who is there; unanswered questions are nobody", () => {
  const text = `IP address       HW type     Flags       HW address            Mask     Device
192.168.100.7    0x1         0x2         02:00:00:00:00:07     *        lan0
192.168.100.8    0x1         0x0         00:00:00:00:00:00     *        lan0
192.168.100.9    0x1         0x6         02:00:00:00:00:09     *        eth1
nonsense
`;
  assert.deepEqual(parseArpTable(text).map(({ address, interface: device }) => [address, device]), [
    ["192.168.100.7", "lan0"],
    ["192.168.100.9", "eth1"],
  ]);
});

Deno.test("who is seen without a lease holds its address; who answers for everybody holds a few", () => {
  const seen = (mac: string, last: number) => ({ mac, address: `192.168.100.${last}`, interface: "lan0" });
  const one = holdsWith(
    [],
    [seen("02:00:00:00:00:07", 7), seen("02:00:00:00:00:01", 51)],
    parseLeases(LEASES),
    0,
  );
  assert.deepEqual(one, [{ mac: "02:00:00:00:00:07", address: "192.168.100.7", seenMs: 0 }]);
  assert.equal(holdsWith(one, [seen("02:00:00:00:00:07", 7)], [], 1), one, "nothing new is nothing changed");
  const day = 86_400_000;
  const later = holdsWith(one, [seen("02:00:00:00:00:07", 7)], [], 6 * day);
  assert.equal(holdsWith(later, [], [], 12 * day).length, 1, "seen again, it is held anew");
  assert.equal(holdsWith(later, [], [], 13 * day).length, 0, "who left lets go");
  const greedy = Array.from({ length: 200 }, (_, index) => seen("02:00:00:00:00:66", index + 1));
  assert.equal(holdsWith([], greedy, [], 0).length, 4);
});

Deno.test("property: quarantine is bounded, in all and for each device, and ends", () => {
  const refusal = fc.record({
    address: fc.integer({ min: 1, max: 250 }).map((last) => `192.168.100.${last}`),
    mac: fc.integer({ min: 10, max: 40 }).map((last) => `02:00:00:00:00:${last}`),
  });
  fc.assert(fc.property(fc.array(refusal, { maxLength: 200 }), (refusals) => {
    let held: Refused[] = [];
    for (const [index, one] of refusals.entries()) held = quarantineWith(held, one, index);
    assert.ok(held.length <= 32);
    for (const { mac } of held) assert.ok(held.filter((one) => one.mac === mac).length <= 4);
    assert.equal(new Set(held.map(({ address }) => address)).size, held.length);
    const later = quarantineWith(held, { address: "192.168.100.251", mac: "02:00:00:00:00:99" }, 10 ** 9);
    assert.equal(later.length, 1);
  }));
});

Deno.test("devices are known by lease, reservation or sight; a person's name wins", () => {
  const nowMs = 1_600_000_000_000;
  const sources = {
    leases: parseLeases(LEASES),
    seen: [{ mac: "02:00:00:00:00:07", address: "192.168.100.7", interface: "lan0" }],
    reserved: new Set(["02:00:00:00:00:02"]),
    names: new Map([["02:00:00:00:00:01", "anna"]]),
  };
  const found = devices(sources, new Map(), nowMs);
  assert.deepEqual([...found.values()].map(({ name, source, addresses }) => [name, source, addresses[0]]), [
    ["anna", "lease", "192.168.100.51"],
    [undefined, "reservation", "192.168.100.52"],
    [undefined, "seen", "192.168.100.7"],
  ]);
  const again = devices(sources, found, nowMs + 1_000);
  assert.deepEqual([...again], [...found], "a second later there is nothing to tell");
  const later = devices(sources, found, nowMs + 61_000);
  assert.equal(later.get("02:00:00:00:00:07")!.lastSeenMs, nowMs + 61_000);
  assert.equal(
    later.get("02:00:00:00:00:01")!.lastSeenMs,
    nowMs,
    "a lease alone does not say that it is there",
  );
  assert.equal(devices(sources, found, 1_700_000_001_000).size, 1, "ended leases are nobody's");
});

Deno.test("facts are taken as far as they are what they should be", () => {
  const fact = {
    mac: "02:00:00:00:00:01",
    server: "192.168.1.1",
    interface: "lan0",
    router: "evil\nline",
    network: "0.0.0.0/99",
    vendor: "Live\u0000box\u001b[31m" + "x".repeat(100),
    lastSeenMs: 1,
    onLan: true,
  };
  const server = serverOf(fact)!;
  assert.deepEqual(Object.keys(server), ["mac", "server", "vendor"]);
  assert.match(server.vendor!, /^Livebox\[31mx+$/);
  assert.equal(server.vendor!.length, 60);
  assert.equal(serverOf({ ...fact, mac: "x" }), undefined);

  const named = deviceNames(
    new Map([
      ["a", { mac: "02:00:00:00:00:01", name: "Anna's iPhone" }],
      ["b", {
        mac: "02:00:00:00:00:02",
        name: "anna-s-iphone",
      }],
      ["c", { mac: "bad", name: "x" }],
      ["d", { mac: "02:00:00:00:00:03", name: "\n;" }],
    ]),
  );
  assert.deepEqual([...named], [["02:00:00:00:00:01", "anna-s-iphone"]]);

  const set = {
    table: "inet otb_x",
    set4: "a4",
    set6: "a6",
    domains: ["Example.org", "bad\nserver=/x/1.2.3.4", "a..b", "c,d"],
  };
  assert.deepEqual(dnsSets(new Map([["s", set]])).map(({ domains }) => domains), [["example.org"]]);
  assert.deepEqual(dnsSets(new Map([["s", { ...set, table: "inet x; drop" }]])), []);
});

Deno.test("every recipe is in order, in both languages, and servers find theirs", () => {
  const recipes = readRecipes(new URL("recipes/", import.meta.url));
  assert.ok(recipes.length >= 11);
  for (const { id, off, on } of recipes) {
    assert.equal(off.en.length, off.fr.length, id);
    assert.equal(on.en.length, on.fr.length, id);
    assert.ok([...off.en, ...on.en].some((step) => /differ by model/.test(step)), id);
  }
  const words = recipes.flatMap(({ match }) => match);
  assert.equal(new Set(words).size, words.length, "no word stands for two");
  for (
    const [vendor, id] of [
      ["Orange Livebox 5", "orange-livebox"],
      ["FREEBOX", "free-freebox"],
      ["AVM FRITZ!Box", "avm-fritzbox"],
      ["Starlink", "starlink"],
      ["Huawei", "huawei-lte"],
      ["udhcp 1.35.0", GENERIC],
      [undefined, GENERIC],
    ] as const
  ) assert.equal(recipeFor(recipes, vendor).id, id);
  const [told] = instructions(
    recipes,
    [{ mac: "m", server: "192.168.1.1", vendor: "Starlink", heardMs: 0 }],
    "off",
  );
  assert.equal(told!.canSwitchOff, false);
  assert.equal(told!.url, "http://192.168.1.1/");
});

Deno.test("settings that contradict the LAN are refused", () => {
  const world = (address?: string) => ({
    network: { role: "box" as const, peers: [], ...(address ? { lan: { interface: "lan0", address } } : {}) },
    links: [],
  });
  const problems = (settings: object, address?: string) =>
    checkSettings(config.parse(settings), world(address)).map(({ code, path }) => `${code} ${path}`);
  const lan = "192.168.100.1/24";
  assert.deepEqual(problems({}), []);
  assert.deepEqual(problems({ mode: "auto" }), ["lan-missing mode"]);
  assert.deepEqual(problems({}, lan), []);
  assert.deepEqual(problems({ pool: { from: "192.168.1.5" } }, lan), ["pool-outside pool.from"]);
  assert.deepEqual(problems({ pool: { from: "192.168.100.9", to: "192.168.100.8" } }, lan), [
    "pool-invalid pool",
  ]);
  const [a, b] = ["02:00:00:00:00:01", "02:00:00:00:00:02"];
  assert.deepEqual(
    problems(
      { reservations: { [a!]: { address: "192.168.100.9" }, [b!]: { address: "192.168.100.9" } } },
      lan,
    ),
    [`address-twice reservations.${b}.address`],
  );
  assert.deepEqual(problems({ reservations: { [a!]: { address: "192.168.100.1" } } }, lan), [
    `address-own reservations.${a}.address`,
  ]);
  for (
    const bad of [
      { reservations: { "02:00": { address: "192.168.100.9" } } },
      { reservations: { [a!]: { address: "192.168.100.9", name: "x,set:evil" } } },
      { dns: { domain: "a\nserver=1.2.3.4" } },
      { dns: { resolvers: ["1.2.3.4#53@eth0"] } },
      { captivePortalUrl: 'https://x/",y' },
      { captivePortalUrl: "http://x/" },
      { trialLeaseSeconds: 60 },
    ]
  ) assert.equal(config.safeParse(bad).success, false, JSON.stringify(bad));
});

Deno.test("property: whoever is seen, holds stay bounded and name no address twice", () => {
  const one = fc.record({
    mac: fc.integer({ min: 10, max: 99 }).map((last) => `02:00:00:00:00:${last}`),
    address: fc.integer({ min: 0, max: 1023 }).map((number) => ipv4Text(ipv4Number("192.168.96.0") + number)),
    interface: fc.constant("lan0"),
  });
  fc.assert(fc.property(fc.array(fc.array(one, { maxLength: 100 }), { maxLength: 8 }), (looks) => {
    let holds: Hold[] = [];
    for (const seen of looks) holds = holdsWith(holds, seen, [], 0);
    assert.ok(holds.length <= 256);
    assert.equal(new Set(holds.map(({ address }) => address)).size, holds.length);
    assert.ok(holds.every(({ address }) => inRange(ipv4Network("192.168.96.0/22")!, ipv4Number(address))));
  }));
});

Deno.test("only a loopback resolver of this box is taken from others, and a modem is never asked", () => {
  const fact = (address: unknown, port: unknown) =>
    resolverOf({ address, port, state: "up" } as unknown as ResolverFact);
  assert.equal(fact("127.0.0.1", 5335), "127.0.0.1#5335");
  const domains = ["plex.direct", "a\nuser=root", "a/b", "", 5, "x".repeat(300)];
  assert.deepEqual(
    localDomainsOf({ localDomains: domains } as unknown as ResolverFact),
    ["plex.direct", "5"],
  );
  assert.deepEqual(localDomainsOf(undefined), []);
  for (
    const [address, port] of [["192.168.1.1", 53], ["127.0.0.1", 0], ["127.0.0.1", "53\nuser=root"], [
      "127.x",
      5,
    ]]
  ) {
    assert.equal(fact(address, port), undefined);
  }
  assert.equal(resolverOf(undefined), undefined);
});

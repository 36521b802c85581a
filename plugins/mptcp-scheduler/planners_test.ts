import { strict as assert } from "node:assert";
import fc from "fast-check";
import { drawn, type Link, type Resource, type Tier } from "@otb/plugin";
import { congestionRoutes } from "./cloud.ts";
import { oddNetworks, strippedLinks } from "./conditions.ts";
import { chooseCongestion } from "./congestion.ts";
import { endpoints, type Verdict } from "./endpoints.ts";
import { type Candidate, firstPaths } from "./first_path.ts";
import { pathFact } from "./path_fact.ts";
import { assignSlots, isUsed, linkWays, routedLinks, routes, settings, wayOut } from "./routing.ts";
import { Overflow } from "./secondary.ts";
import { words } from "./texts/mod.ts";

function link(name: string, index: number, extra: Partial<Link> = {}): Link {
  const net = `192.168.${10 + index}`;
  return {
    name,
    interface: `wan${index}`,
    found: false,
    tier: "primary",
    observed: { state: "up", address: `${net}.2`, prefixLength: 24, gateway: `${net}.1` },
    ...extra,
  };
}

const calm: Verdict = { out: false, promoted: false, generation: 0 };

/** One line a resource, as a person would say it. */
function said(resources: Resource[]): string[] {
  return resources.map((resource) =>
    Object.values(resource).map((value) => typeof value === "object" ? value.join(",") : String(value)).join(
      " ",
    )
  );
}

function usable(links: Link[]) {
  return routedLinks(links, assignSlots(links.map(({ name }) => name), new Map()), () => "cubic");
}

Deno.test("two links: a table and a rule each, the better tier first in the main table", () => {
  assert.deepEqual(said(routes(usable([link("lte", 1, { tier: "backup" }), link("fibre", 2)]))), [
    "route 4 wan1 192.168.11.2 1001 192.168.11.0/24",
    "route 4 wan1 192.168.11.2 1001 default 192.168.11.1 cubic",
    "rule 4 1001 192.168.11.2 1001",
    "route 4 wan1 192.168.11.2 254 default 192.168.11.1 4001",
    "route 4 wan2 192.168.12.2 1002 192.168.12.0/24",
    "route 4 wan2 192.168.12.2 1002 default 192.168.12.1 cubic",
    "rule 4 1002 192.168.12.2 1002",
    "route 4 wan2 192.168.12.2 254 default 192.168.12.1 4000",
  ]);
});

Deno.test("a link that is down or without a gateway gets nothing, one that is never used only its own way out", () => {
  const links = [
    link("down", 1, { observed: { state: "down", reason: "no carrier" } }),
    link("never", 2, { tier: "never" }),
    link("lost", 3, { observed: { state: "up", address: "192.168.13.2", prefixLength: 24 } }),
  ];
  const never = usable(links);
  assert.deepEqual(never.map(({ link, slot }) => [link.name, slot]), [["never", 2]]);
  assert.deepEqual(never.filter(isUsed), []);
  assert.deepEqual(said(routes(never)), [
    "route 4 wan2 192.168.12.2 1002 192.168.12.0/24",
    "route 4 wan2 192.168.12.2 1002 default 192.168.12.1 cubic",
    "rule 4 1002 192.168.12.2 1002",
  ]);
  assert.equal(wayOut(never[0]!).mark, 0x200);
  assert.deepEqual(said(linkWays([2])), [
    "rule 4 902 0x200/0xff00 1002",
    "route 4 1002 default unreachable 10000",
    "rule 6 902 0x200/0xff00 1002",
    "route 6 1002 default unreachable 10000",
  ]);
});

Deno.test("tiers become endpoints; secondaries rest until they are called; who is out has none", () => {
  const links = usable([
    link("fibre", 1),
    link("cable", 2, { tier: "secondary" }),
    link("lte", 3, { tier: "backup" }),
  ]);
  const flags = (verdicts: Record<string, Partial<Verdict>>) =>
    endpoints(links, (name) => ({ ...calm, ...verdicts[name] })).map((resource) =>
      resource.kind === "mptcpEndpoint"
        ? `${resource.id} ${resource.flags.join("+")} g${resource.generation}`
        : "?"
    );
  assert.deepEqual(flags({}), ["1 subflow g0", "2 subflow+backup g0", "3 subflow+backup g0"]);
  assert.deepEqual(flags({ cable: { promoted: true, generation: 4 } }), [
    "1 subflow g0",
    "2 subflow g4",
    "3 subflow+backup g0",
  ]);
  assert.deepEqual(flags({ fibre: { out: true } }), ["2 subflow+backup g0", "3 subflow+backup g0"]);
  const all = { out: true };
  assert.equal(flags({ fibre: all, cable: all, lte: all }).length, 3, "with nothing left, all are tried");
});

Deno.test("a link keeps its slot whatever else comes and goes; there are never more than eight", () => {
  const names = fc.uniqueArray(fc.constantFrom(..."abcdefghijkl"), { maxLength: 12 });
  fc.assert(fc.property(fc.array(names, { maxLength: 10 }), (history) => {
    let slots = new Map<string, number>();
    for (const now of history) {
      const next = assignSlots(now, slots);
      assert.ok([...next.values()].every((slot) => slot >= 1 && slot <= 8));
      assert.equal(new Set(next.values()).size, next.size);
      for (const name of now) if (slots.has(name)) assert.equal(next.get(name), slots.get(name));
      assert.equal(next.size, Math.min(8, now.length));
      slots = next;
    }
  }));
});

Deno.test("kernel settings ask for nothing twice", () => {
  const names = settings(32).map((resource) => resource.kind === "sysctl" ? resource.name : resource.kind);
  assert.equal(new Set(names).size, names.length);
  assert.ok(said(settings(32)).some((line) => line.includes("33554432")));
});

Deno.test("secondaries join in after three full beats and rest after twenty light ones", () => {
  const overflow = new Overflow();
  const beats = (load: number, count: number) =>
    Array.from({ length: count }, () => overflow.beat(load, 0.8, 0.5)).at(-1);
  assert.equal(beats(0.9, 2), false);
  assert.equal(beats(0.7, 1), false);
  assert.equal(beats(0.9, 3), true);
  assert.equal(beats(0.6, 100), true, "between the thresholds nothing changes");
  assert.equal(beats(0.2, 19), true);
  assert.equal(beats(0.2, 1), false);
});

const candidates = fc.array(
  fc.record<Candidate>({
    link: fc.constantFrom("a", "b", "c", "d"),
    interface: fc.constant("wan1"),
    source: fc.constant("192.0.2.1"),
    tier: fc.constantFrom<Tier>("primary", "secondary", "backup"),
    rttMs: fc.option(fc.double({ min: 0.1, max: 900, noNaN: true }), { nil: undefined }),
    capacity: fc.option(fc.double({ min: 1e5, max: 1e9, noNaN: true }), { nil: undefined }),
    stripped: fc.boolean(),
  }, { noNullPrototype: true }),
  { maxLength: 6 },
);

Deno.test("first paths: weights sum to one, everybody is named, the heaviest comes first", () => {
  fc.assert(fc.property(candidates, (all) => {
    const { choices } = firstPaths(all);
    assert.equal(choices.length, all.length);
    if (all.length === 0) return;
    assert.ok(
      Math.abs(choices.reduce((sum, { weight }) => sum + weight, 0) - 1) < 1e-9,
      JSON.stringify(choices),
    );
    assert.ok(
      choices.every(({ weight }, index) =>
        weight >= 0 && (index === 0 || weight <= choices[index - 1]!.weight)
      ),
    );
  }));
});

Deno.test("a path with plain connections alone is stripped of MPTCP, unless streams are striped over them", () => {
  const sample = {
    ...{
      subflows: 0,
      plain: 3,
      rxBitsPerSecond: 0,
      txBitsPerSecond: 0,
      congestion: "cubic",
      silentMs: 0,
      backoff: 0,
    },
    tokens: new Set<number>(),
  };
  const rates = { rx: 0, tx: 0, acknowledged: 0 };
  const told = (transport?: "mptcp" | "striped", subflows = 0) => {
    const fact = pathFact("fibre", "cloud", "active", { ...sample, subflows }, rates, 0, transport);
    return [fact.protocol, fact.subflows];
  };
  assert.deepEqual(told(), ["tcp", 0]);
  assert.deepEqual(told("striped"), ["striped", 3]);
  // A peer that does not know striped streams is reached by MPTCP all the same.
  assert.deepEqual(told("striped", 2), ["mptcp", 2]);
});

Deno.test("first paths: near beats far, a stripped path and a lower tier are fall-backs only", () => {
  const base = { interface: "w", source: "s", capacity: 50e6, stripped: false };
  const weights = (...all: Candidate[]) =>
    firstPaths(all).choices.map(({ link, weight }) => `${link} ${weight}`);
  assert.deepEqual(
    weights(
      { ...base, link: "sat", tier: "primary", rttMs: 600 },
      { ...base, link: "fibre", tier: "primary", rttMs: 10 },
      { ...base, link: "lte", tier: "backup", rttMs: 5 },
    ),
    ["fibre 1", "sat 0", "lte 0"],
  );
  assert.deepEqual(
    weights({ ...base, link: "strip", tier: "primary", rttMs: 5, stripped: true }, {
      ...base,
      link: "fibre",
      tier: "primary",
      rttMs: 30,
    }),
    ["fibre 1", "strip 0"],
  );
});

Deno.test("bbr is for paths that lose without being full, and goes when the losses do", () => {
  const choose = (current: string, lineLoss: number | undefined, rttMs: number) =>
    chooseCongestion(current, { lineLoss, rttMs, minRttMs: 20 });
  assert.equal(choose("cubic", undefined, 20), "cubic");
  assert.equal(choose("cubic", 0.01, 22), "bbr");
  assert.equal(choose("cubic", 0.01, 120), "cubic", "a full queue loses by itself");
  assert.equal(choose("bbr", 0.003, 22), "bbr", "between the thresholds nothing changes");
  assert.equal(choose("bbr", 0.0005, 22), "cubic");
});

Deno.test("the peer has a route for each address that wants another congestion control, by its own way out", () => {
  const uplink = link("uplink", 1, {
    interface: "eth0",
    observed: { state: "up", address: "198.51.100.11", prefixLength: 29, gateway: "198.51.100.9" },
  });
  const ways = new Map([
    ["203.0.113.7", { congestion: "bbr" }],
    ["203.0.113.5", { congestion: "cubic" }],
    ["2001:db8::7", { congestion: "bbr" }],
    ["203.0.113.6", { congestion: "bbr" }],
  ]);
  assert.deepEqual(said(congestionRoutes([uplink], ways)), [
    "route 4 254 203.0.113.6/32 198.51.100.9 eth0 bbr",
    "route 4 254 203.0.113.7/32 198.51.100.9 eth0 bbr",
  ]);
  assert.deepEqual(congestionRoutes([], ways), []);
});

Deno.test("what is odd about a link's network, and where Multipath TCP does not pass, is told by name", () => {
  const huge = link("lte", 3, {
    observed: { state: "up", address: "10.1.2.3", prefixLength: 1, gateway: "10.0.0.1" },
  });
  assert.deepEqual(oddNetworks([link("fibre", 1)]), { "link-network-odd": undefined });
  assert.match(
    drawn(words, oddNetworks([link("fibre", 1), huge])["link-network-odd"]!).message,
    /: "lte" has 10\.1\.2\.3\/1\./,
  );
  const raised = (names: string[]) =>
    Object.entries(strippedLinks(names, 2)).flatMap(([code, condition]) => condition ? [code] : []);
  assert.deepEqual([raised([]), raised(["a"]), raised(["a", "b"])], [[], ["mptcp-stripped"], [
    "mptcp-unavailable",
  ]]);
});

Deno.test("a link that carries less than Ethernet has routes that say so", () => {
  const links = [link("dsl", 1), link("fibre", 2)];
  const narrow = routedLinks(
    links,
    assignSlots(["dsl", "fibre"], new Map()),
    () => "cubic",
    (name) => name === "dsl" ? 1400 : undefined,
  );
  const bound = routes(narrow).filter((resource) => resource.kind === "route" && resource.mtu !== undefined);
  assert.deepEqual(said(bound), [
    "route 4 wan1 192.168.11.2 1001 default 192.168.11.1 cubic 1400",
    "route 4 wan1 192.168.11.2 254 default 192.168.11.1 4000 1400",
  ]);
});

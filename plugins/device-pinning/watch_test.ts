import { strict as assert } from "node:assert";
import fc from "fast-check";
import type { Link, LinkWayFact, PathFact, PeerFact, Tier } from "@otb/plugin";
import { bestWay } from "./rules/policy.ts";
import { type LinkEvidence, LinkWatch, PeerWatch, TunnelWatch } from "./watch.ts";

const WAITS = { goneMs: 5_000, backMs: 3_000 };

/** Plays the states of peers at their seconds; says whether they count as gone after each. */
function play(...steps: [seconds: number, ...states: PeerFact["state"][]][]): boolean[] {
  const watch = new PeerWatch();
  return steps.map(([seconds, ...states]) =>
    watch.look(states.map((state) => ({ state })), seconds * 1000, WAITS)
  );
}

Deno.test("the peer is gone when all have been down for the time, and back when one has been up for its time", () => {
  assert.deepEqual(
    play([0, "down", "up"], [9, "down", "up"], [10, "down", "down"], [14, "down", "down"], [
      15,
      "down",
      "down",
    ]),
    [false, false, false, false, true],
  );
  assert.deepEqual(
    play([0, "down"], [5, "down"], [6, "up"], [8, "down"], [9, "up"], [11, "up"], [12, "up"]),
    [false, true, true, true, true, true, false],
  );
});

Deno.test("facts that say nothing change nothing: neither at the start nor while the scheduler starts anew", () => {
  assert.deepEqual(play([0, "unknown"], [60, "unknown"], [61], [90]), [false, false, false, false]);
  assert.deepEqual(play([0, "down"], [5, "down"], [6], [60], [61, "unknown"], [90, "unknown"]).slice(1), [
    true,
    true,
    true,
    true,
    true,
  ]);
});

Deno.test("property: it never changes its mind twice within the shorter wait", () => {
  const steps = fc.array(
    fc.tuple(fc.integer({ min: 1, max: 2_000 }), fc.constantFrom<PeerFact["state"]>("up", "down", "unknown")),
    { maxLength: 200 },
  );
  fc.assert(fc.property(steps, (steps) => {
    const watch = new PeerWatch();
    let nowMs = 0, changedMs = -Infinity, gone = false;
    for (const [afterMs, state] of steps) {
      nowMs += afterMs;
      const next = watch.look([{ state }], nowMs, WAITS);
      if (next === gone) continue;
      assert.ok(nowMs - changedMs >= WAITS.backMs);
      [gone, changedMs] = [next, nowMs];
    }
  }));
});

/** Plays what the tunnel says at its seconds (undefined: nothing, `gone`: up, but its interface is away). */
function playTunnel(...steps: [seconds: number, state?: "up" | "down" | "unknown" | "gone"][]): string {
  const watch = new TunnelWatch();
  return steps.map(([seconds, state]) => {
    const fact = state && { state: state === "gone" ? "up" as const : state, sinceMs: 0, interface: "otb0" };
    return watch.look(fact, state !== "gone", seconds * 1000).state;
  }).join(" ");
}

Deno.test("the tunnel is believed at once when it comes up first, and is down after 4 s, back after 2 s", () => {
  assert.equal(playTunnel([0, "up"], [1, "down"], [4, "down"], [5, "down"]), "up waiting waiting down");
  assert.equal(
    playTunnel([0, "up"], [1, "gone"], [5, "gone"], [6, "up"], [7, "up"], [8, "up"]),
    "up waiting down down down up",
  );
  assert.equal(
    playTunnel([0, "up"], [1, "down"], [4, "up"], [5, "down"], [8, "down"]),
    "up waiting up waiting waiting",
  );
  assert.equal(
    playTunnel([0, "down"], [3, "down"], [4, "down"], [5, "up"], [6, "down"], [7, "up"], [8, "up"]),
    "waiting waiting down down down down down",
  );
});

Deno.test("a tunnel that says nothing yet is given 10 s; one that never comes is down then", () => {
  assert.equal(playTunnel([0], [5, "unknown"], [9, "unknown"], [9.5, "up"]), "waiting waiting waiting up");
  assert.equal(playTunnel([0], [5], [9.9], [10], [60]), "waiting waiting waiting down down");
  assert.equal(playTunnel([0, "unknown"], [1, "down"], [5, "down"]), "waiting waiting down");
});

Deno.test("a tunnel is down only where somebody else is reached meanwhile; at the start nobody waits for that", () => {
  const watch = new TunnelWatch();
  const at = (seconds: number, state: "up" | "down", answers: number) =>
    watch.look({ state, sinceMs: 0, interface: "otb0" }, true, seconds * 1000, answers).state;
  assert.equal(at(0, "up", 3), "up");
  assert.equal(at(1, "down", 3), "waiting");
  assert.equal(at(600, "down", 3), "waiting");
  assert.equal(at(601, "up", 3), "up");
  assert.equal(at(602, "down", 3), "waiting");
  assert.equal(at(605, "down", 4), "waiting");
  assert.equal(at(606, "down", 4), "down");
  assert.equal(at(607, "up", 4), "down");
  assert.equal(at(609, "up", 4), "up");
  const none = new TunnelWatch();
  assert.equal(none.look(undefined, false, 0, 1).state, "waiting");
  assert.equal(none.look(undefined, false, 10_000, 1).state, "down");
});

function link(name: string, extra: { tier?: Tier; downMbps?: number } & Partial<Link> = {}): Link {
  return { name, interface: `${name}0`, found: false, tier: "primary", observed: { state: "up" }, ...extra };
}

function wayOf(name: string, mark: number): LinkWayFact {
  return { link: name, interface: `${name}0`, source: "192.0.2.1", table: 1000 + mark, mark: mark << 8 };
}

function pathOf(link: string, state: PathFact["state"]): PathFact {
  const rest = {
    rxBitsPerSecond: 0,
    txBitsPerSecond: 0,
    acknowledgedBitsPerSecond: 0,
    share: 0,
    subflows: 0,
    congestion: "cubic",
  };
  return { link, peer: "cloud", state, protocol: "mptcp", ...rest };
}

const TWO: LinkEvidence = {
  links: [link("fibre"), link("cable")],
  ways: [wayOf("fibre", 1), wayOf("cable", 2)],
  paths: [pathOf("fibre", "active"), pathOf("cable", "active")],
};
const usable = (watch: LinkWatch, evidence: LinkEvidence, seconds: number) =>
  watch.look(evidence, seconds * 1000).filter(({ usable }) => usable).map(({ link }) => link);

Deno.test("a link that stops answering is dead after 2 s, and alive after 5 s of answers", () => {
  const watch = new LinkWatch();
  const silent = { ...TWO, paths: [pathOf("fibre", "active"), pathOf("cable", "suspect")] };
  assert.deepEqual(usable(watch, TWO, 0), ["fibre", "cable"]);
  assert.deepEqual(usable(watch, silent, 1), ["fibre", "cable"]);
  assert.deepEqual(usable(watch, silent, 2.9), ["fibre", "cable"]);
  assert.deepEqual(usable(watch, silent, 3), ["fibre"]);
  assert.deepEqual(usable(watch, TWO, 4), ["fibre"]);
  assert.deepEqual(usable(watch, silent, 6), ["fibre"]);
  assert.deepEqual(usable(watch, TWO, 7), ["fibre"]);
  assert.deepEqual(usable(watch, TWO, 12), ["fibre", "cable"]);
});

Deno.test("a link whose carrier is gone is dead at once", () => {
  const watch = new LinkWatch();
  usable(watch, TWO, 0);
  const pulled = { ...TWO, ways: [wayOf("fibre", 1)] };
  const links = [link("fibre"), link("cable", { observed: { state: "down", reason: "it has no carrier" } })];
  assert.deepEqual(usable(watch, { ...pulled, links }, 1), ["fibre"]);
  assert.equal(watch.look({ ...pulled, links }, 1_000)[1]!.reason, "it has no carrier");
  // A scheduler that starts anew says nothing for a moment.
  const restarted = new LinkWatch();
  usable(restarted, TWO, 0);
  assert.deepEqual(usable(restarted, { ...TWO, ways: [], paths: [] }, 1), ["fibre", "cable"]);
});

Deno.test("while no link works all stay as they were, silent or without carrier; the first that comes back decides about the others", () => {
  const watch = new LinkWatch();
  const health = { state: "down" as const, reason: "nothing answers over it", sinceMs: 0 };
  const pulled = link("cable", { observed: { state: "down", reason: "it has no carrier" } });
  const none = { links: [link("fibre", { health }), pulled], ways: [wayOf("fibre", 1)], paths: [] };
  usable(watch, TWO, 0);
  usable(watch, none, 1);
  assert.deepEqual(usable(watch, none, 600), ["fibre", "cable"]);
  assert.deepEqual(watch.look(none, 600_000).map(({ reason }) => reason), [
    health.reason,
    "it has no carrier",
  ]);
  assert.deepEqual(usable(watch, { ...none, links: [link("fibre"), pulled] }, 601), ["fibre"]);
});

Deno.test("when no path answers it is the peer's fault; a link's watcher is believed all the same", () => {
  const watch = new LinkWatch();
  const silent = { ...TWO, paths: [pathOf("fibre", "suspect"), pathOf("cable", "down")] };
  usable(watch, TWO, 0);
  usable(watch, silent, 1);
  assert.deepEqual(usable(watch, silent, 60), ["fibre", "cable"]);
  const portal = { state: "down" as const, reason: "a captive portal answers", sinceMs: 0 };
  const reported = { ...silent, links: [link("fibre"), link("cable", { health: portal })] };
  usable(watch, reported, 61);
  assert.deepEqual(usable(watch, reported, 63), ["fibre"]);
});

Deno.test("the best link: tier, then health, then rate, then order; one that is never used is for who is pinned to it", () => {
  const links = [
    link("never", { tier: "never", downMbps: 1000 }),
    link("backup", { tier: "backup", downMbps: 900 }),
    link("ill", { downMbps: 800, health: { state: "degraded", sinceMs: 0 } }),
    link("slow", { downMbps: 10 }),
    link("fast", { downMbps: 100 }),
  ];
  const ways = links.map(({ name }, index) => wayOf(name, index + 1));
  const judged = new LinkWatch().look({ links, ways, paths: [pathOf("never", "down")] }, 0);
  assert.deepEqual(judged.map(({ link }) => link), ["fast", "slow", "ill", "backup", "never"]);
  assert.equal(bestWay(judged)!.link, "fast");
  assert.equal(bestWay(judged.filter(({ link }) => link === "never")), undefined);
  assert.ok(judged.at(-1)!.usable);
});

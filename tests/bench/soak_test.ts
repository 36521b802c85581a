import { strict as assert } from "node:assert";
import { type Fault, faults, MAY_BREAK, type Targets, wordsOf } from "./soak_plan.ts";
import { growth, type Sample } from "./soak_growth.ts";

const TARGETS: Targets = { links: ["a", "b"], box: ["socks-proxy", "qos"], peer: ["udp-tunnel"] };

function first(count: number, seed: number, targets = TARGETS): Fault[] {
  return faults(seed, targets).take(count).map(({ fault }) => fault).toArray();
}

Deno.test("soak: a seed gives the same faults again, another one others; all kinds come, but those left out", () => {
  assert.deepEqual(first(200, 7), first(200, 7));
  assert.notDeepEqual(first(200, 7), first(200, 8));
  const kinds = new Set(first(2_000, 1).map(({ kind }) => kind));
  assert.equal(kinds.size, 10, [...kinds].join(", "));
  const without = first(2_000, 1, { ...TARGETS, without: ["tun-deleted", "disk-full"] });
  assert.equal(without.some(({ kind }) => kind === "tun-deleted" || kind === "disk-full"), false);
  assert.equal(wordsOf({ kind: "cut", link: "a", forMs: 300 }), "cut link=a forMs=300");
  assert.deepEqual(MAY_BREAK({ kind: "cut", link: "a", forMs: 300 }), { tcp: false, udp: false, dns: false });
});

Deno.test("soak: growth is told within runs, so that a restart neither hides nor invents it", () => {
  const run = (pid: number, fromS: number, level: number, perMinute: number): Sample[] =>
    Array.from({ length: 60 }, (_, index) => ({
      atS: fromS + index * 5,
      pid,
      memoryMb: level + perMinute * index * 5 / 60,
      descriptors: 20,
    }));
  const leaking = growth([...run(1, 0, 50, 2), ...run(2, 300, 30, 2)], 60);
  assert.ok(Math.abs(leaking.memoryMbPerMinute - 2) < 1e-9, `${leaking.memoryMbPerMinute}`);
  assert.deepEqual([leaking.runs, leaking.descriptorsPerMinute], [2, 0]);
  const flat = growth([...run(1, 0, 50, 0), ...run(2, 300, 80, 0)], 60);
  assert.equal(flat.memoryMbPerMinute, 0);
  assert.equal(growth(run(1, 0, 50, 2).slice(0, 5), 60).looks, 0);
});

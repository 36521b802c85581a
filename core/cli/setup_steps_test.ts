import { strict as assert } from "node:assert";
import { type Seen, setupSteps, suggestLan } from "./setup_steps.ts";

const link = {
  name: "wan-eth1",
  interface: "eth1",
  found: true,
  tier: "primary" as const,
  observed: { state: "up" as const, address: "192.168.1.50", gateway: "192.168.1.1" },
  path: {
    link: "wan-eth1",
    peer: "cloud",
    state: "active" as const,
    protocol: "unknown" as const,
    rttMs: 12,
    rxBitsPerSecond: 0,
    txBitsPerSecond: 0,
    acknowledgedBitsPerSecond: 0,
    share: 0,
    subflows: 0,
    congestion: "cubic",
  },
};

/** The first step that is not done. */
const next = (seen: Seen) => setupSteps(seen).find(({ done }) => !done)?.id;

Deno.test("one step after the other, whatever was done before", () => {
  const lan = { interface: "eth0", address: "192.168.177.1/24" };
  const box = { role: "box", lan };
  assert.equal(next({}), "join");
  assert.equal(next({ role: "cloud" }), "join");
  assert.equal(next({ role: "box" }), "lan");
  assert.equal(next(box), "running");
  const status = (links: typeof link[], total = 0) => ({
    links,
    health: [],
    connections: { open: 0, total, refused: 0, protocol: "unknown" as const },
  });
  assert.equal(next({ ...box, status: status([]) }), "links");
  assert.equal(next({ ...box, status: status([{ ...link, tier: "never" as "primary" }]) }), "links");
  const untried = { ...link, path: { ...link.path, rttMs: undefined as unknown as number } };
  assert.equal(next({ ...box, status: status([untried]) }), "peer");
  assert.equal(next({ ...box, status: status([link]) }), "devices");
  assert.equal(next({ ...box, status: status([link], 1) }), undefined, "a device came by itself");
  const guide = (state: "open" | "going" | "done") => ({ state, next: "Do it." });
  assert.equal(next({ ...box, status: status([link], 1), guide: guide("open") }), undefined);
  assert.equal(next({ ...box, status: status([link], 1), guide: guide("going") }), "devices");
  assert.equal(next({ ...box, status: status([link]), guide: guide("done") }), undefined);
  assert.equal(setupSteps({ ...box, guide: guide("going") }).at(-1)!.next, "Do it.");
  const gone = { code: "peer-gone", severity: "error" as const, message: "gone", plugin: "x", sinceMs: 0 };
  assert.equal(next({ ...box, status: { ...status([link], 1), health: [gone] } }), "peer");
});

Deno.test("a LAN is suggested where nobody is yet", () => {
  assert.equal(suggestLan([]), "192.168.177.1/24");
  assert.equal(suggestLan(["192.168.177.20/24", "192.168.178.1/32"]), "192.168.179.1/24");
  assert.equal(suggestLan(["192.168.0.1/16"]), "192.168.177.1/24", "all is taken: a person will see it");
});

import { strict as assert } from "node:assert";
import type { TunnelPathFact } from "@otb/plugin";
import { TunnelView } from "./tunnel_view.ts";

function fact(link: string, more: Partial<TunnelPathFact> = {}): TunnelPathFact {
  return { link, state: "up", atMs: 0, ...more };
}

Deno.test("a size counts once it has stood: a search begins with the least", () => {
  const view = new TunnelView();
  view.take([fact("dsl", { mtu: 1280 })], 0);
  view.take([fact("dsl", { mtu: 1400 })], 600);
  assert.equal(view.mtu("dsl", 1_000), undefined);
  view.take([fact("dsl", { mtu: 1400 })], 2_000);
  assert.equal(view.mtu("dsl", 2_600), 1400);
});

Deno.test("a link that carries whole packets has no limit", () => {
  const view = new TunnelView();
  view.take([fact("fibre", { mtu: 1500 })], 0);
  assert.equal(view.mtu("fibre", 10_000), undefined);
});

Deno.test("a new public address is told once; the first one, and silence, are none", () => {
  const view = new TunnelView();
  assert.deepEqual(view.take([fact("dsl"), fact("lte", { publicAddress: "198.51.100.1" })], 0), []);
  assert.deepEqual(view.take([fact("dsl", { publicAddress: "198.51.100.7" }), fact("lte")], 1), []);
  assert.deepEqual(view.take([fact("lte", { publicAddress: "198.51.100.2" })], 2), ["lte"]);
  assert.deepEqual(view.take([fact("lte", { publicAddress: "198.51.100.2" })], 3), []);
  assert.equal(view.publicAddress("dsl"), "198.51.100.7");
});

Deno.test("a path that is not up says nothing new; a link that is gone is forgotten", () => {
  const view = new TunnelView();
  view.take([fact("dsl", { publicAddress: "198.51.100.1", mtu: 1400 })], 0);
  assert.deepEqual(view.take([fact("dsl", { state: "down", publicAddress: "198.51.100.9" })], 1), []);
  assert.equal(view.publicAddress("dsl"), "198.51.100.1");
  view.keep(new Set());
  assert.equal(view.publicAddress("dsl"), undefined);
  assert.equal(view.mtu("dsl", 10_000), undefined);
});

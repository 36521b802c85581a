import assert from "node:assert/strict";
import type { InterfaceFact } from "../contract/mod.ts";
import { interfaceChanges, type ObservedDevice } from "./interfaces.ts";

const wan1: ObservedDevice = {
  ...{ name: "wan1", index: 7, mac: "02:00:00:00:00:01", mtu: 1500, up: true, carrier: true, hardware: 1 },
  ...{ driver: "r8169", addresses: [{ address: "192.168.1.2", prefixLength: 24 }] },
};

Deno.test("only what changed is published, and what is gone is taken back", () => {
  const first = interfaceChanges(new Map(), [wan1]);
  const fact = first.get("interface/wan1")!;
  assert.deepEqual(fact, { ...wan1, addresses: ["192.168.1.2/24"] });
  const published = new Map<string, InterfaceFact>([["interface/wan1", fact]]);
  assert.equal(interfaceChanges(published, [wan1]).size, 0);
  assert.equal(
    interfaceChanges(published, [{ ...wan1, carrier: false }]).get("interface/wan1")?.carrier,
    false,
  );
  assert.deepEqual([...interfaceChanges(published, [])], [["interface/wan1", null]]);
});

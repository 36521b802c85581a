import assert from "node:assert/strict";
import { FactBoard } from "../supervisor/facts.ts";
import { INTERFACE } from "../contract/mod.ts";
import { coreFacts } from "./facts.ts";
import { interfaceFacts, type ObservedDevice } from "./interfaces.ts";

const wan1: ObservedDevice = {
  ...{ name: "wan1", index: 7, mac: "02:00:00:00:00:01", mtu: 1500, up: true, carrier: true, hardware: 1 },
  ...{ driver: "r8169", addresses: [{ address: "192.168.1.2", prefixLength: 24 }] },
};

Deno.test("only what changed is published, and what is gone is taken back", () => {
  const board = new FactBoard(), facts = coreFacts(board);
  const told: [string, unknown][] = [];
  board.subscribe((id, value) => told.push([id, value]));
  const tell = (devices: ObservedDevice[]) => {
    told.length = 0;
    facts.publishAll(INTERFACE, interfaceFacts(devices));
    return told;
  };
  assert.deepEqual(tell([wan1]), [["interface/wan1", { ...wan1, addresses: ["192.168.1.2/24"] }]]);
  assert.equal(tell([wan1]).length, 0);
  const [[id, changed]] = tell([{ ...wan1, carrier: false }]) as [[string, { carrier: boolean }]];
  assert.deepEqual([id, changed.carrier], ["interface/wan1", false]);
  assert.deepEqual(tell([]), [["interface/wan1", null]]);
});

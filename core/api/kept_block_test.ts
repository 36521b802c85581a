import { strict as assert } from "node:assert";
import { openDatabase } from "../state/database.ts";
import { blockOf, KeptBlock } from "./kept_block.ts";

const LAN = { interface: "lan0", address: "192.168.1.2/24" };
const [A, B] = ["02:00:00:00:00:0a", "02:00:00:00:00:0b"];

function body(...args: Parameters<typeof blockOf>): string {
  const [table] = blockOf(...args);
  return table?.kind === "nftTable" ? table.body : "";
}

Deno.test("what stays in force holds those whom the kill-switch holds, and nobody where there is none", () => {
  assert.deepEqual(blockOf({ way: "direct" }, LAN), []);
  assert.deepEqual(blockOf({ way: "direct", devices: { [A]: "direct" } }, LAN), []);
  assert.deepEqual(blockOf({ way: "block" }, undefined), []);
  assert.match(body({ way: "block" }, LAN), /^ {4}reject with icmpx/m);
  assert.match(
    body({ way: "block", devices: { [A]: "direct", [B]: "block" } }, LAN),
    /^ {4}ether saddr != \{ 02:.*:0a \} reject/m,
  );
  assert.match(
    body({ way: "direct", devices: { [A]: "direct", [B]: "block" } }, LAN),
    /^ {4}ether saddr \{ 02:.*:0b \} reject/m,
  );
  // A modem on the LAN's own wire is a way out by the LAN's own interface.
  assert.match(body({ way: "block" }, LAN), /ip daddr 192\.168\.1\.0\/24 return/);
});

Deno.test("what stays in force is known to the next process, until it is taken back", () => {
  const folder = Deno.makeTempDirSync({ prefix: "otb" });
  try {
    const known = () => {
      const db = openDatabase(`${folder}/db`);
      return { block: new KeptBlock(db), [Symbol.dispose]: () => db.close() };
    };
    {
      using first = known();
      assert.deepEqual(first.block.sentences, []);
      first.block.remember(blockOf({ way: "block" }, LAN));
    }
    {
      using second = known();
      assert.deepEqual(second.block.resources, blockOf({ way: "block" }, LAN));
      assert.match(second.block.sentences.join(), /otb down --open/);
      second.block.remember([]);
    }
    using third = known();
    assert.deepEqual(third.block.resources, []);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

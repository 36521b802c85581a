import assert from "node:assert/strict";
import fc from "fast-check";
import { comesFrom } from "./cloud.ts";
import { HOLD_MS, Ledger } from "./ledger.ts";
import type { Wish } from "./wire.ts";

const wish = (address: string, port: number, mbps = 10): Wish => ({
  address,
  port,
  bitsPerSecond: mbps * 1e6,
  layer: "ethernet",
});
const anyPath = () => true;
const seen = (ledger: Ledger) =>
  ledger.groups().map(({ group, address, bitsPerSecond }) => `${group} ${address} ${bitsPerSecond / 1e6}`);

Deno.test("links behind one address share the sum; a wish that is not renewed is over", () => {
  const ledger = new Ledger();
  const wishes = [wish("198.18.1.2", 1000), wish("198.18.1.2", 1001, 5), wish("2001:DB8::1", 1000)];
  assert.deepEqual(ledger.renew("a", wishes, anyPath, 0), []);
  assert.deepEqual(seen(ledger), ["1 198.18.1.2 15", "2 2001:db8::1 10"]);
  ledger.renew("a", wishes.slice(1), anyPath, 1_000);
  assert.deepEqual(seen(ledger), ["1 198.18.1.2 5", "2 2001:db8::1 10"]);
  ledger.renew("a", wishes.slice(2), anyPath, 2_000);
  assert.deepEqual(seen(ledger), ["2 2001:db8::1 10"], "a group keeps its number");
  ledger.expire(2_000 + HOLD_MS);
  assert.deepEqual(seen(ledger), []);
});

Deno.test("nobody shapes an address that no tunnel comes from, nor one that another box holds", () => {
  const ledger = new Ledger();
  const isPath = (address: string, port: number) =>
    comesFrom(
      new Map([["tunnel-path/::ffff:198.18.1.2/1000", {
        link: "",
        state: "up",
        publicAddress: "::ffff:198.18.1.2",
        publicPort: 1000,
        atMs: 0,
      }]]),
      address,
      port,
    );
  assert.deepEqual(ledger.renew("a", [wish("198.18.1.2", 1001)], isPath, 0), ["198.18.1.2"], "not its port");
  assert.deepEqual(ledger.renew("a", [wish("198.18.1.2", 1000)], isPath, 0), []);
  assert.deepEqual(ledger.renew("b", [wish("198.18.1.2", 1000, 1)], isPath, 0), ["198.18.1.2"]);
  assert.deepEqual(seen(ledger), ["1 198.18.1.2 10"]);
  assert.deepEqual(ledger.renew("b", [wish("198.18.1.2", 1000)], isPath, HOLD_MS), [], "its owner is gone");
  for (const odd of ["198.18.1.2.", "0198.18.1.2", ":", "::g", "1.2.3"]) {
    assert.deepEqual(ledger.renew("c", [wish(odd, 1000)], anyPath, 0), [odd]);
  }
});

Deno.test("however many ask, addresses are bounded and none is held by two", () => {
  const ledger = new Ledger();
  for (let box = 0; box < 300; box++) {
    ledger.renew(
      `${box}`,
      [wish(`10.0.${box >> 8}.${box & 255}`, 1), wish(`10.1.${box >> 8}.${box & 255}`, 1)],
      anyPath,
      0,
    );
  }
  assert.equal(ledger.groups().length, 256);
  fc.assert(fc.property(
    fc.array(
      fc.tuple(
        fc.constantFrom("a", "b", "c"),
        fc.array(fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 2 })), { maxLength: 4 }),
        fc.integer({ min: 0, max: 2 * HOLD_MS }),
      ),
      { maxLength: 20 },
    ),
    (turns) => {
      const ledger = new Ledger();
      let nowMs = 0;
      for (const [box, pairs, waitMs] of turns) {
        nowMs += waitMs;
        const wishes = pairs.map(([host, port]) => wish(`10.0.0.${host}`, port));
        const refused = ledger.renew(box, wishes, anyPath, nowMs);
        const groups = ledger.groups();
        assert.equal(new Set(groups.map(({ group }) => group)).size, groups.length);
        assert.equal(new Set(groups.map(({ address }) => address)).size, groups.length);
        for (const { address } of wishes) {
          if (!refused.includes(address)) assert.ok(groups.some((group) => group.address === address));
        }
      }
      ledger.expire(nowMs + HOLD_MS);
      assert.deepEqual(ledger.groups(), []);
    },
  ));
});

import assert from "node:assert/strict";
import fc from "fast-check";
import type { TunnelPathFact } from "@otb/plugin";
import { HOLD_MS, Ledger } from "./ledger.ts";
import { Paths } from "./paths.ts";
import type { Wish } from "./wire.ts";

const wish = (address: string, port: number, mbps = 10): Wish => ({
  address,
  port,
  bitsPerSecond: mbps * 1e6,
  layer: "ethernet",
});
const fact = (
  session: string | undefined,
  publicAddress: string,
  publicPort: number,
  state: TunnelPathFact["state"] = "up",
): TunnelPathFact => ({ link: "", state, publicAddress, publicPort, session, atMs: 0 });
const paths = (...owned: [session: string | undefined, address: string, port: number][]) =>
  new Paths(owned.map((path) => fact(...path)));
const seen = (ledger: Ledger, now: Paths) =>
  ledger.groups(now).map(({ group, address, bitsPerSecond }) => `${group} ${address} ${bitsPerSecond / 1e6}`);

Deno.test("links behind one address share the sum; a wish that is not renewed is over", () => {
  const ledger = new Ledger();
  const all = paths(["a", "198.18.1.2", 1000], ["a", "198.18.1.2", 1001], ["a", "2001:db8::1", 1000]);
  const wishes = [wish("198.18.1.2", 1000), wish("198.18.1.2", 1001, 5), wish("2001:DB8::1", 1000)];
  assert.deepEqual(ledger.renew("a", wishes, all, 0), []);
  assert.deepEqual(seen(ledger, all), ["1 198.18.1.2 15", "2 2001:db8::1 10"]);
  ledger.renew("a", wishes.slice(1), all, 1_000);
  assert.deepEqual(seen(ledger, all), ["1 198.18.1.2 5", "2 2001:db8::1 10"]);
  ledger.renew("a", wishes.slice(2), all, 2_000);
  assert.deepEqual(seen(ledger, all), ["2 2001:db8::1 10"], "a group keeps its number");
  ledger.expire(2_000 + HOLD_MS, all);
  assert.deepEqual(seen(ledger, all), []);
});

Deno.test("a box shapes the paths of its own session and no other's, whoever asked first", () => {
  const ledger = new Ledger();
  const all = paths(["a", "::ffff:198.18.1.2", 1000], ["b", "198.18.2.2", 1000]);
  const mine = [wish("198.18.1.2", 1000)], theirs = [wish("198.18.2.2", 1000, 1)];
  assert.deepEqual(ledger.renew("a", [wish("198.18.1.2", 1001)], all, 0), ["198.18.1.2"], "not its port");
  assert.deepEqual(ledger.renew("a", theirs, all, 0), ["198.18.2.2"], "a path of another box");
  assert.deepEqual(ledger.renew("nobody", mine, all, 0), ["198.18.1.2"]);
  assert.deepEqual(seen(ledger, all), []);
  assert.deepEqual(ledger.renew("a", mine, all, 0), []);
  assert.deepEqual(ledger.renew("b", [...mine, ...theirs], all, 0), ["198.18.1.2"]);
  assert.deepEqual(seen(ledger, all), ["1 198.18.1.2 10", "2 198.18.2.2 1"]);
  for (const odd of ["198.18.1.2.", "0198.18.1.2", ":", "::g", "1.2.3"]) {
    assert.deepEqual(ledger.renew("c", [wish(odd, 1000)], all, 0), [odd]);
  }
});

Deno.test("a wish ends with its session's path: at once for who has the path now, and by itself", () => {
  const ledger = new Ledger();
  const before = paths(["a", "198.18.1.2", 1000]), after = paths(["a2", "198.18.1.2", 1000]);
  ledger.renew("a", [wish("198.18.1.2", 1000)], before, 0);
  ledger.expire(1, after);
  assert.deepEqual(seen(ledger, after), []);
  ledger.renew("a", [wish("198.18.1.2", 1000)], before, 2);
  assert.deepEqual(ledger.renew("a2", [wish("198.18.1.2", 1000, 7)], after, 3), []);
  assert.deepEqual(seen(ledger, after), ["1 198.18.1.2 7"]);
  const down = new Paths([fact("a2", "198.18.1.2", 1000, "down")]);
  ledger.expire(4, down);
  assert.deepEqual(seen(ledger, down), []);
});

Deno.test("an address that boxes share is shaped by all of them or by none", () => {
  const ledger = new Ledger();
  const shared = paths(["a", "198.18.1.2", 1000], ["b", "198.18.1.2", 2000]);
  assert.deepEqual(ledger.renew("a", [wish("198.18.1.2", 1000, 1)], shared, 0), ["198.18.1.2"]);
  assert.deepEqual(seen(ledger, shared), [], "one alone would starve the other");
  assert.deepEqual(ledger.renew("b", [wish("198.18.1.2", 2000, 50)], shared, 1), []);
  assert.deepEqual(seen(ledger, shared), ["1 198.18.1.2 51"]);
  assert.deepEqual(ledger.renew("a", [wish("198.18.1.2", 1000, 1)], shared, 2), []);
  ledger.renew("b", [], shared, 3);
  assert.deepEqual(seen(ledger, shared), []);
  const untold = paths(["a", "198.18.1.2", 1000], [undefined, "198.18.1.2", 2000]);
  assert.deepEqual(ledger.renew("a", [wish("198.18.1.2", 1000)], untold, 4), ["198.18.1.2"]);
  const none = paths([undefined, "198.18.1.2", 1000]);
  assert.deepEqual(ledger.renew("a", [wish("198.18.1.2", 1000)], none, 5), ["198.18.1.2"]);
  assert.equal(none.has("a"), false);
});

Deno.test("however many ask, addresses are bounded, each is in one group, and no box is in another's way", () => {
  const many = Array.from({ length: 300 }, (_, box): [string, string, number][] => [
    [`${box}`, `10.0.${box >> 8}.${box & 255}`, 1],
    [`${box}`, `10.1.${box >> 8}.${box & 255}`, 1],
  ]);
  const crowd = new Ledger(), all = paths(...many.flat());
  for (const own of many) {
    crowd.renew(own[0]![0], own.map(([, address, port]) => wish(address, port)), all, 0);
  }
  assert.equal(crowd.groups(all).length, 256);
  fc.assert(fc.property(
    fc.array(
      fc.tuple(
        fc.constantFrom("a", "b", "c"),
        fc.array(fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 2 })), { maxLength: 4 }),
        fc.integer({ min: 0, max: 2 * HOLD_MS }),
      ),
      { maxLength: 20 },
    ),
    fc.array(fc.constantFrom("a", "b", "c", undefined), { minLength: 6, maxLength: 6 }),
    (turns, owners) => {
      const ledger = new Ledger();
      const now = paths(...owners.map((owner, index): [string | undefined, string, number] => [
        owner,
        `10.0.0.${1 + index % 3}`,
        1 + (index >> 1) % 2,
      ]));
      let nowMs = 0;
      for (const [box, pairs, waitMs] of turns) {
        nowMs += waitMs;
        const wishes = pairs.map(([host, port]) => wish(`10.0.0.${host}`, port));
        const refused = ledger.renew(box, wishes, now, nowMs);
        const groups = ledger.groups(now);
        assert.equal(new Set(groups.map(({ group }) => group)).size, groups.length);
        assert.equal(new Set(groups.map(({ address }) => address)).size, groups.length);
        for (const { address, port } of wishes) {
          if (!now.isOf(box, address, port)) assert.ok(refused.includes(address));
          if (!refused.includes(address)) assert.ok(groups.some((group) => group.address === address));
        }
      }
      ledger.expire(nowMs + HOLD_MS, now);
      assert.deepEqual(ledger.groups(now), []);
    },
  ));
});

import { strict as assert } from "node:assert";
import fc from "fast-check";
import { type Clause, clausesOf, covers, meet } from "./clauses.ts";
import { groupClauses, shapeOf } from "./groups.ts";
import { anyConfig, MAC } from "../testing/pinning.ts";

/** A packet of a family whose target DNS never answered. */
interface Packet {
  mac: string;
  address: bigint;
  protocol: "tcp" | "udp";
  port: number;
}

function matches({ mac, address, named, ports }: Clause, packet: Packet): boolean {
  return !named && (!mac || mac === packet.mac) &&
    (!address || address.from <= packet.address && packet.address <= address.to) &&
    (!ports || ports.protocol === packet.protocol && ports.from <= packet.port && packet.port <= ports.to);
}

const packets = fc.array(
  fc.record({
    mac: fc.constantFrom(MAC, "02:00:00:00:00:0b", "02:00:00:00:00:0c"),
    address: fc.tuple(fc.nat(3), fc.nat(3), fc.nat(2)).map(([b, c, d]) =>
      BigInt(10 * 2 ** 24 + b * 2 ** 16 + c * 2 ** 8 + d)
    ),
    protocol: fc.constantFrom("tcp" as const, "udp" as const),
    port: fc.integer({ min: 1, max: 45 }),
  }),
  { minLength: 30, maxLength: 30 },
);

const clauses = anyConfig.map((config) =>
  config.rules.filter(({ enabled }) => enabled).flatMap((rule) => clausesOf(rule, 4, config))
);

Deno.test("property: grouping loses no clause, mixes no shapes, and the first match stays the first", () => {
  fc.assert(
    fc.property(clauses, packets, (clauses, packets) => {
      const groups = groupClauses(clauses);
      assert.equal(groups.flatMap(({ clauses }) => clauses).length, clauses.length);
      for (const { shape, clauses } of groups) {
        assert.ok(clauses.every((clause) => shapeOf(clause) === shape));
      }
      for (const packet of packets) {
        const listed = clauses.find((clause) => matches(clause, packet))?.rule;
        const inGroup = groups.map(({ clauses }) => clauses.filter((clause) => matches(clause, packet)));
        // A verdict map has one answer for a packet.
        assert.ok(inGroup.every(({ length }) => length <= 1));
        assert.equal(inGroup.flat()[0]?.rule, listed);
      }
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("property: what covers another meets it, and takes every packet of it", () => {
  fc.assert(
    fc.property(clauses, packets, (clauses, packets) => {
      for (const a of clauses) {
        for (const b of clauses) {
          assert.equal(meet(a, b), meet(b, a));
          if (!covers(a, b)) continue;
          assert.ok(meet(a, b));
          for (const packet of packets) assert.ok(!matches(b, packet) || matches(a, packet));
        }
      }
    }),
    { numRuns: 100 },
  );
});

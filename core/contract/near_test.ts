import { strict as assert } from "node:assert";
import fc from "fast-check";
import ipaddr from "ipaddr.js";
import { boundedLength, isOddLength, type LinkNetwork, nearOf, onLinkOf } from "./near.ts";
import { overlaps } from "./address.ts";

const near = (address: string, prefixLength: number | undefined, gateway?: string) =>
  nearOf({ address, prefixLength, gateway });

Deno.test("a private network up to a /16 is near, of anything else its private gateway alone, and no public address ever", () => {
  assert.deepEqual(near("192.168.11.2", 24, "192.168.11.1"), ["192.168.11.0/24"]);
  assert.deepEqual(near("192.168.11.2", 16, "192.168.11.1"), ["192.168.0.0/16"]);
  assert.deepEqual(near("100.64.0.9", 32, "100.64.0.1"), ["100.64.0.1/32"], "a single address");
  assert.deepEqual(near("10.0.0.9", 30, "10.9.9.9"), ["10.0.0.8/30", "10.9.9.9/32"]);
  assert.deepEqual(near("10.3.4.5", 8, "10.0.0.1"), ["10.0.0.1/32"], "larger than any home");
  for (const length of [0, 1, 2, 8, 15]) {
    assert.deepEqual(near("192.168.11.2", length, "192.168.11.1"), ["192.168.11.1/32"], `/${length}`);
  }
  assert.deepEqual(near("192.168.11.2", undefined, "192.168.11.1"), ["192.168.11.1/32"], "no mask at all");
  assert.deepEqual(
    near("203.0.113.77", 24, "203.0.113.1"),
    [],
    "an operator's network behind a bridge modem",
  );
  assert.deepEqual(near("1.1.1.2", 30, "1.1.1.1"), [], "a resolver that a rogue pretends to be");
  assert.deepEqual(
    near("192.168.1.2", 24, "8.8.8.8"),
    ["192.168.1.0/24"],
    "and one beside a private network",
  );
  assert.deepEqual(near("172.31.255.2", 16, "172.31.0.1"), ["172.31.0.0/16"]);
  assert.deepEqual(near("172.32.0.2", 16, "172.32.0.1"), []);
  assert.deepEqual(near("fd00:1::2", 64, "fe80::1"), ["fd00:1::2/64"]);
  assert.deepEqual(near("fd00:1::2", 8, "fe80::1"), []);
  assert.deepEqual(near("2001:db8::2", 64, "fe80::1"), []);
  assert.deepEqual(nearOf({}), []);
  assert.deepEqual(
    nearOf({ address: "192.168.1.2", prefixLength: 24 }),
    ["192.168.1.0/24"],
    "no gateway yet",
  );
});

Deno.test("without a router a link reaches its near network and its gateway, public or not", () => {
  assert.deepEqual(onLinkOf({ address: "203.0.113.77", prefixLength: 24, gateway: "203.0.113.1" }), [
    "203.0.113.1/32",
  ]);
  assert.deepEqual(onLinkOf({ address: "192.168.1.2", prefixLength: 24, gateway: "8.8.8.8" }), [
    "192.168.1.0/24",
    "8.8.8.8/32",
  ]);
});

const told = fc.record<LinkNetwork>({
  address: fc.oneof(fc.ipV4(), fc.constantFrom("10.1.2.3", "192.168.1.2", "100.64.1.1", "169.254.0.1")),
  prefixLength: fc.option(fc.integer({ min: 0, max: 32 }), { nil: undefined }),
  gateway: fc.option(fc.oneof(fc.ipV4(), fc.constantFrom("10.1.0.1", "192.168.1.1")), { nil: undefined }),
}, { noNullPrototype: true });

Deno.test("whatever is told: near has no address that is routed in the Internet, and at most a /16 and the gateway", () => {
  const ranges = new Set(["private", "carrierGradeNat", "linkLocal"]);
  fc.assert(
    fc.property(told, fc.ipV4(), (network, elsewhere) => {
      const cidrs = nearOf(network);
      assert.ok(cidrs.length <= 2);
      for (const cidr of cidrs) {
        const [address, length] = ipaddr.parseCIDR(cidr);
        assert.ok(length >= 16, cidr);
        assert.ok(ranges.has(address.range()), cidr);
        assert.ok(ranges.has(ipaddr.IPv4.broadcastAddressFromCIDR(cidr).range()), cidr);
        if (!ranges.has(ipaddr.parse(elsewhere).range())) assert.ok(!overlaps(elsewhere, cidr));
      }
      // What is near is on the link, and the gateway always is.
      const onLink = onLinkOf(network);
      assert.ok(cidrs.every((cidr) => onLink.includes(cidr)));
      if (network.gateway) assert.ok(onLink.some((cidr) => overlaps(network.gateway!, cidr)));
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("a told length is believed from 16 to 32, otherwise it is that of the address alone", () => {
  assert.deepEqual([undefined, 0, 1, 15, NaN, 33].map(boundedLength), [32, 32, 32, 32, 32, 32]);
  assert.deepEqual([16, 24, 30, 31, 32].map(boundedLength), [16, 24, 30, 31, 32]);
  assert.deepEqual([8, 16].map(isOddLength), [true, false]);
});

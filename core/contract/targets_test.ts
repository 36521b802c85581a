import { strict as assert } from "node:assert";
import fc from "fast-check";
import ipaddr from "ipaddr.js";
import { isRange, targetFilter, targetRules } from "./targets.ts";

const reaches = (address: string, allowed: string[] = [], own: string[] = []) =>
  targetFilter(targetRules(allowed, own))(address);

const reachesAlways = targetFilter(targetRules([], []));

Deno.test("the Internet is reached; private, reserved and disguised addresses are not", () => {
  for (
    const open of [
      "1.1.1.1",
      "9.255.255.255",
      "11.0.0.0",
      "100.63.255.255",
      "100.128.0.0",
      "172.32.0.1",
      "192.0.1.1",
      "198.17.255.255",
      "198.20.0.0",
      "223.255.255.255",
      "2606:4700::1111",
      "2001:200::1",
      "2001:4860:4860::8888",
      "2003::1",
      "2a00::1",
      // NAT64 of 1.1.1.1, and IPv4 in IPv6
      "64:ff9b::101:101",
      "::ffff:1.1.1.1",
      // for documentation: labs
      "192.0.2.1",
      "203.0.113.1",
      "2001:db8::1",
    ]
  ) assert.ok(reaches(open), open);
  for (
    const refused of [
      "0.0.0.0",
      "10.1.2.3",
      "100.64.0.1",
      "127.0.0.1",
      "168.63.129.16",
      "169.254.169.254",
      "172.16.0.1",
      "172.31.255.255",
      "192.0.0.1",
      "192.31.196.1",
      "192.52.193.1",
      "192.88.99.1",
      "192.168.1.1",
      "192.175.48.1",
      "198.18.0.1",
      "198.19.255.255",
      "224.0.0.1",
      "240.0.0.1",
      "255.255.255.255",
      "::",
      "::1",
      "::7f00:1",
      "::ffff:127.0.0.1",
      "::ffff:0:7f00:1",
      "64:ff9b::a00:1",
      "64:ff9b::7f00:1",
      "64:ff9b::a9fe:a9fe",
      "64:ff9b:1::1",
      "64:ff9b:0:0:1::1",
      "100::1",
      "2001::1",
      "2001:2::1",
      "2001:10::1",
      "2002:a00:1::1",
      "2002:101:101::1",
      "2620:4f:8000::1",
      "5f00::1",
      "fd00:ec2::254",
      "fe80::1",
      "fec0::1",
      "ff02::1",
    ]
  ) assert.ok(!reaches(refused), refused);
});

Deno.test("what is allowed opens exactly that and nothing beside it", () => {
  const metadata = "169.254.169.253/32";
  assert.ok(reaches("169.254.169.253", [metadata]));
  assert.ok(!reaches("169.254.169.254", [metadata]));
  assert.ok(!reaches("64:ff9b::a9fe:a9fd", [metadata]));
  assert.ok(reaches("10.7.200.3", ["10.7.1.2/16"]));
  assert.ok(!reaches("10.8.0.1", ["10.7.1.2/16"]));
  assert.ok(reaches("fd00:7::1", ["fd00:7::/32"]));
  assert.ok(!reaches("fd00:8::1", ["fd00:7::/32"]));
});

Deno.test("the peer itself is not reached, by NAT64 neither, unless that one address is named", () => {
  const own = ["198.51.100.11", "10.0.0.5", "2001:db8::5"];
  for (const address of [...own, "64:ff9b::c633:640b"]) {
    assert.ok(!reaches(address, ["10.0.0.0/8"], own), address);
  }
  assert.ok(reaches("10.0.0.6", ["10.0.0.0/8"], own));
  assert.ok(reaches("10.0.0.5", ["10.0.0.0/8", "10.0.0.5/32"], own));
});

const four = fc.ipV4(), six = fc.ipV6().map((text) => ipaddr.IPv6.parse(text).toString());
const range = fc.oneof(
  fc.tuple(four, fc.integer({ min: 0, max: 32 })),
  fc.tuple(six, fc.integer({ min: 0, max: 128 })),
).map(([address, length]) => `${address}/${length}`);

Deno.test("an allowed list adds what it names and changes nothing else, and no two ranges of a rule overlap", () => {
  fc.assert(fc.property(
    fc.array(range, { maxLength: 6 }),
    fc.oneof(four, six),
    (allowed, address) => {
      const parsed = ipaddr.process(address);
      const isNamed = allowed.some((one) => {
        const [network, length] = ipaddr.parseCIDR(one);
        return network.kind() === parsed.kind() && parsed.match(network as ipaddr.IPv4, length);
      });
      assert.equal(reaches(address, allowed), isNamed || reachesAlways(address));
      for (const { ranges } of targetRules(allowed, [])) {
        for (const one of ranges) {
          const [network, length] = ipaddr.parseCIDR(one);
          for (const other of ranges) {
            if (one === other) continue;
            const [outer, bits] = ipaddr.parseCIDR(other);
            assert.ok(
              outer.kind() !== network.kind() || bits > length || !network.match(outer as ipaddr.IPv4, bits),
            );
          }
        }
      }
    },
  ));
});

Deno.test("a range is four decimal numbers or IPv6, with a length that fits", () => {
  for (const good of ["10.0.0.0/8", "0.0.0.0/0", "fd00::/8", "::1/128"]) assert.ok(isRange(good), good);
  for (const bad of ["10.0.0.0", "10.0/8", "10.0.0.0/33", "300.0.0.0/8", "fd00::/129", "x/8"]) {
    assert.ok(!isRange(bad), bad);
  }
});

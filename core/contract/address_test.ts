import { strict as assert } from "node:assert";
import fc from "fast-check";
import ipaddr from "ipaddr.js";
import { canonicalAddress, canonicalRange, isInside, isIpv6, overlaps, unmappedAddress } from "./address.ts";
import {
  inRange,
  ipv4Mask,
  ipv4Network,
  ipv4Number,
  ipv4Text,
  isIpv4,
  isWithin,
  PRIVATE4,
  rangesMeet,
  rangeWithout,
  SHARED4,
} from "./ipv4.ts";

const four = fc.ipV4();
const six = fc.ipV6().map((text) => ipaddr.IPv6.parse(text).toRFC5952String());
const range4 = fc.tuple(four, fc.integer({ min: 0, max: 32 })).map(([address, length]) =>
  `${address}/${length}`
);
const range6 = fc.tuple(six, fc.integer({ min: 0, max: 128 })).map(([address, length]) =>
  `${address}/${length}`
);
const range = fc.oneof(range4, range6);

Deno.test("an IPv4 address and its number are one to one", () => {
  fc.assert(fc.property(fc.nat({ max: 2 ** 32 - 1 }), (number) => {
    assert.ok(isIpv4(ipv4Text(number)));
    assert.equal(ipv4Number(ipv4Text(number)), number);
  }));
});

Deno.test("what another program reads otherwise is no address: octal, short and zoned forms, words, spaces", () => {
  for (
    const text of ["010.0.0.1", "1.2.3", "1.2.3.256", "0x7f.0.0.1", "1.2.3.4 ", "", "fe80::1%eth0", "::g"]
  ) {
    assert.equal(isIpv4(text) || isIpv6(text), false, text);
    assert.equal(canonicalAddress(text), undefined, text);
    assert.equal(canonicalRange(text), undefined, text);
    assert.throws(() => ipv4Number(text), RangeError);
  }
  fc.assert(fc.property(fc.string(), (text) => {
    if (isIpv4(text)) assert.equal(ipaddr.IPv4.parse(text).toString(), text);
    if (isIpv6(text)) assert.ok(ipaddr.IPv6.isValid(text));
  }));
});

Deno.test("an address has one spelling, which stays as it is; mapped IPv4 is itself or the IPv4, as one asks", () => {
  fc.assert(fc.property(fc.oneof(four, fc.ipV6()), (text) => {
    const spelt = canonicalAddress(text)!;
    assert.equal(canonicalAddress(spelt), spelt);
    assert.deepEqual(ipaddr.parse(spelt).toByteArray(), ipaddr.parse(text).toByteArray());
  }));
  assert.equal(canonicalAddress("2001:DB8:0:0::1"), "2001:db8::1");
  assert.equal(canonicalAddress("2001:db8::1", 4), undefined);
  assert.equal(unmappedAddress("::ffff:192.0.2.1"), "192.0.2.1");
  assert.equal(unmappedAddress("2001:DB8::1"), "2001:db8::1");
  assert.equal(canonicalAddress("::ffff:192.0.2.1", 6), "::ffff:c000:201");
});

Deno.test("a range is written by its first address, of which it stays the same range", () => {
  fc.assert(fc.property(range, (text) => {
    const spelt = canonicalRange(text)!;
    assert.equal(canonicalRange(spelt), spelt);
    assert.ok(isInside(text, spelt) && isInside(spelt, text));
  }));
  assert.equal(canonicalRange("192.168.11.2/24"), "192.168.11.0/24");
  assert.equal(canonicalRange("192.0.2.1"), "192.0.2.1/32");
  assert.equal(canonicalRange("2001:db8::2/64"), "2001:db8::/64");
  for (const text of ["10.0.0.0/33", "10.0.0.0/", "10.0.0.0/8/8", "::/129", "10.0.0.0/-1"]) {
    assert.equal(canonicalRange(text), undefined, text);
  }
});

Deno.test("networks, masks and ranges", () => {
  assert.deepEqual(ipv4Network("192.168.100.1/24"), {
    first: ipv4Number("192.168.100.0"),
    last: ipv4Number("192.168.100.255"),
    length: 24,
  });
  assert.equal(ipv4Mask(ipv4Network("10.0.0.1/9")!), "255.128.0.0");
  for (
    const bad of [
      "192.168.1/24",
      "192.168.1.1",
      "192.168.1.1/33",
      "192.168.01.1/24",
      "fd00::1/64",
      "1.2.3.4/24/1",
    ]
  ) {
    assert.equal(ipv4Network(bad), undefined, bad);
  }
});

Deno.test("texts and numbers agree on what lies in a network, and what two have in common", () => {
  fc.assert(fc.property(range4, range4, four, (a, b, address) => {
    const [one, other] = [ipv4Network(a)!, ipv4Network(b)!];
    assert.equal(isInside(address, a), inRange(one, ipv4Number(address)));
    assert.equal(overlaps(a, b), rangesMeet(one, other));
    assert.equal(isInside(a, b), isWithin(one, [b]));
    assert.equal(canonicalRange(a), `${ipv4Text(one.first)}/${one.length}`);
    assert.equal(one.last - one.first + 1, 2 ** 32 - ipv4Number(ipv4Mask(one)));
  }));
  fc.assert(fc.property(range4, range6, (a, b) => assert.equal(overlaps(a, b), false)));
});

Deno.test("a range without some addresses is the rest of it, in order and apart", () => {
  const small = fc.tuple(fc.nat(60), fc.nat(60)).map(([a, b]) => ({
    first: Math.min(a, b),
    last: Math.max(a, b),
  }));
  fc.assert(fc.property(small, fc.array(fc.nat(70)), (range, taken) => {
    const rest = rangeWithout(range, taken);
    for (let address = 0; address <= 70; address++) {
      assert.equal(
        rest.filter((one) => inRange(one, address)).length,
        inRange(range, address) && !taken.includes(address) ? 1 : 0,
      );
    }
    assert.ok(rest.every(({ first }, index) => index === 0 || first > rest[index - 1]!.last + 1));
  }));
});

Deno.test("private is what homes have; what operators share is told apart", () => {
  const isPrivate = (cidr: string) => isWithin(ipv4Network(cidr)!, PRIVATE4);
  for (const cidr of ["10.1.0.0/16", "172.31.0.0/24", "192.168.0.0/16"]) assert.ok(isPrivate(cidr), cidr);
  for (const cidr of ["10.0.0.0/7", "192.0.0.0/8", "172.32.0.0/24", "192.169.0.0/24", SHARED4]) {
    assert.ok(!isPrivate(cidr), cidr);
  }
});

import assert from "node:assert/strict";
import fc from "fast-check";
import ipaddr from "ipaddr.js";
import { config } from "./config.ts";
import { addressesIn, OUTSIDE_HOME4, OUTSIDE_HOME6, Rebinding } from "./rebinding.ts";
import { answerBytes, query } from "./testing/messages.ts";
import { nameOf, Rcode, rcodeOf } from "./wire.ts";
import { unboundConfig } from "./unbound_config.ts";

const asked = query("evil.example");
const bytesOf = (text: string) => Uint8Array.from(ipaddr.parse(text).toByteArray());

/** One record: a pointer to the question's name, type, class, time, and what is in it. */
function record(type: number, data: Iterable<number>, name = [0xc0, 12]): number[] {
  const inside = [...data];
  return [
    ...name,
    type >> 8,
    type & 255,
    0,
    1,
    0,
    0,
    0,
    60,
    inside.length >> 8,
    inside.length & 255,
    ...inside,
  ];
}

/** A response with records in the answer, authority and additional sections. */
function response(to: typeof asked, ...sections: number[][][]): Uint8Array<ArrayBuffer> {
  const head = answerBytes(to, [], { rcode: 3 });
  const out = Uint8Array.of(...head.subarray(0, to.questionEnd), ...sections.flat(2));
  out[3] = 0x80;
  for (const [index, records] of sections.entries()) out[7 + 2 * index] = records.length;
  return out;
}

const service = (key: number, value: Iterable<number>) => {
  const inside = [...value];
  return [0, 1, 0, 0, 1, 0, 3, 2, 0x68, 0x32, 0, key, inside.length >> 8, inside.length & 255, ...inside];
};

const { localDomains } = config.parse({});
const house = new Rebinding([...localDomains, "home.example.org"]);
house.own = ["192.168.100.1/24", "203.0.113.77", "203.0.113.1", "2001:db8:1:2::/64", "nonsense"];
/** What becomes of an answer: passed on as it is, emptied, or a failure. */
function outcome(message: Uint8Array<ArrayBuffer>, to = asked): string {
  const guarded = house.guard(to, message);
  if (guarded === message) return "passed";
  assert.deepEqual([guarded[6], guarded[7]], [0, 0], "no record is left");
  return rcodeOf(guarded) === Rcode.noError ? "emptied" : "failed";
}
const withAddress = (text: string) => response(asked, [record(text.includes(":") ? 28 : 1, bytesOf(text))]);

Deno.test("no name of the Internet leads to the LAN, to modems, to the box, or to this machine, however it is written", () => {
  for (
    const address of [
      ...[
        "10.0.0.1",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "127.0.0.1",
        "127.9.9.9",
        "0.0.0.0",
        "0.1.2.3",
      ],
      ...["169.254.169.254", "100.64.0.1", "100.127.255.255", "224.0.0.251", "255.255.255.255"],
      ...["203.0.113.77", "203.0.113.1", "192.168.100.9"],
      ...[
        "::",
        "::1",
        "fe80::1",
        "fec0::1",
        "fd00::1",
        "fc12::1",
        "ff02::fb",
        "::ffff:192.168.1.1",
        "::ffff:9.9.9.9",
      ],
      ...[
        "::192.168.1.1",
        "64:ff9b::192.168.1.1",
        "64:ff9b::203.0.113.77",
        "64:ff9b:1::1",
        "2002:c0a8:0101::1",
      ],
      ...["2001:0:1234::3f57:fefe", "2001:db8:1:2::5"],
    ]
  ) assert.equal(outcome(withAddress(address)), "emptied", address);
  for (
    const address of [
      ...[
        "9.9.9.9",
        "1.1.1.1",
        "172.15.255.255",
        "172.32.0.1",
        "100.63.255.255",
        "100.128.0.1",
        "203.0.113.78",
      ],
      ...[
        "2606:4700::1111",
        "64:ff9b::9.9.9.9",
        "2002:0909:0909::1",
        "2001:0:1234::f6f6:f6f6",
        "2001:db8:1:3::5",
      ],
    ]
  ) assert.equal(outcome(withAddress(address)), "passed", address);
});

Deno.test("one local address anywhere in an answer empties it: behind others, beside an alias, as a hint, in the additional part", () => {
  const good = record(1, [9, 9, 9, 9]), bad = record(1, [192, 168, 1, 1]);
  assert.equal(outcome(response(asked, [good, good])), "passed");
  assert.equal(outcome(response(asked, [good, bad])), "emptied");
  assert.equal(outcome(response(asked, [record(5, [1, 97, 0xc0, 12]), bad])), "emptied");
  assert.equal(outcome(response(asked, [good], [], [bad])), "emptied");
  assert.equal(outcome(response(asked, [record(65, service(4, [9, 9, 9, 9, 192, 168, 1, 1]))])), "emptied");
  assert.equal(outcome(response(asked, [record(64, service(6, bytesOf("fd00::1")))])), "emptied");
  assert.equal(outcome(response(asked, [record(65, service(4, [9, 9, 9, 9]))])), "passed");
  assert.equal(outcome(response(asked, [record(16, [3, 10, 0, 0])])), "passed", "text is no address");
});

Deno.test("what cannot be read to its end is a failure, not an answer", () => {
  const whole = response(asked, [record(1, [9, 9, 9, 9]), record(65, service(4, [9, 9, 9, 9]))]);
  for (let length = asked.questionEnd; length < whole.length; length++) {
    assert.equal(outcome(whole.slice(0, length)), "failed", `${length} bytes`);
  }
  assert.equal(outcome(response(asked, [record(1, [10, 0, 0])])), "failed", "an address of three bytes");
  assert.equal(outcome(response(asked, [record(65, service(4, [9, 9, 9]))])), "failed", "a hint of three");
  assert.equal(
    outcome(response(asked, [record(1, [9, 9, 9, 9], [0x80, 1])])),
    "failed",
    "a label of no kind",
  );
});

Deno.test("a domain that may, well known or the owner's, is left alone with all below it, by the name that was asked for and no other", () => {
  assert.equal(nameOf(query("192-168-1-9.abc.PLEX.direct")), "192-168-1-9.abc.plex.direct");
  for (
    const name of [
      "192-168-1-9.abc.PLEX.direct",
      "192-168-1-9.nas.direct.quickconnect.to",
      "home.example.org",
      "nas.Home.example.org",
    ]
  ) {
    const asked = query(name);
    assert.equal(outcome(response(asked, [record(1, [192, 168, 1, 9])]), asked), "passed", name);
  }
  for (
    const name of [
      "xplex.direct",
      "plex.direct.evil.example",
      "example.org",
      "athome.example.org",
      "quickconnect.to",
    ]
  ) {
    const other = query(name);
    assert.equal(outcome(response(other, [record(1, [192, 168, 1, 9])]), other), "emptied", name);
  }
  const dotted = query("a.bcdefghij");
  dotted.message.set(new TextEncoder().encode("xplex.dir"), 15);
  assert.ok(!nameOf(dotted).endsWith("plex.direct"));
});

Deno.test("any bytes behind the question: no crash, no endless walk, and nothing local is passed on", () => {
  const name = fc.constantFrom<number[]>([0xc0, 12], [0], [1, 97, 0], [0xc0, 0xff], [0xc0], [63], [0x40]);
  const data = fc.oneof(
    fc.uint8Array({ minLength: 4, maxLength: 4 }),
    fc.uint8Array({ minLength: 16, maxLength: 16 }),
    fc.uint8Array({ maxLength: 40 }),
    fc.uint8Array({ minLength: 4, maxLength: 4 }).map((address) => Uint8Array.from(service(4, address))),
  );
  const records = fc.array(fc.tuple(fc.constantFrom(1, 28, 64, 65, 5, 41, 16), data, name), { maxLength: 5 });
  fc.assert(
    fc.property(
      records,
      fc.option(fc.nat(200)),
      fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { maxLength: 3 }),
      (
        all,
        cut,
        changes,
      ) => {
        const message = response(asked, all.map(([type, inside, where]) => record(type, inside, where)));
        for (const [at, value] of changes) {
          if (asked.questionEnd + at < message.length) message[asked.questionEnd + at] = value;
        }
        const bytes = message.slice(0, Math.max(asked.questionEnd, message.length - (cut ?? 0)));
        const guarded = house.guard(asked, bytes);
        const found = addressesIn(guarded, asked.questionEnd);
        assert.ok(found, "what is passed on is well formed");
        assert.ok(found.every((address) => !house.isLocal(address)));
      },
    ),
    { numRuns: 3_000 },
  );
  assert.equal(addressesIn(new Uint8Array(5), 12), undefined);
});

Deno.test("an operator's own network may be private; what it says leads neither to the LAN nor to this box or its modems", () => {
  const beyond = new Rebinding([], OUTSIDE_HOME4, OUTSIDE_HOME6);
  beyond.own = ["192.168.100.1/24", "192.168.11.1", "192.168.11.2"];
  for (const address of ["10.1.2.3", "100.64.0.9", "172.16.0.1", "192.168.55.1", "fd00::1", "9.9.9.9"]) {
    assert.equal(beyond.isLocalText(address), false, address);
  }
  for (
    const address of [
      "192.168.100.9",
      "192.168.11.1",
      "192.168.11.2",
      "127.0.0.1",
      "0.0.0.0",
      "169.254.169.254",
      "224.0.0.251",
      "::1",
      "fe80::1",
      "::ffff:192.168.100.9",
      "64:ff9b::192.168.100.9",
    ]
  ) assert.equal(beyond.isLocalText(address), true, address);
});

Deno.test("domains are taken as people write them, and nothing else is", () => {
  const isTaken = (domain: string) => config.safeParse({ localDomains: [domain] }).success;
  for (const domain of ["plex.direct", "home.example.org", "corp", "xn--mnchen-3ya.example"]) {
    assert.ok(isTaken(domain), domain);
  }
  for (
    const domain of ["", ".", "*.example.org", ".example.org", "example.org.", "Example.org", "a b", "a/b"]
  ) {
    assert.ok(!isTaken(domain), domain);
  }
});

Deno.test("unbound takes its configuration, and leaves it to each box which names may lead into its LAN", async () => {
  const text = unboundConfig(config.parse({ forwardTo: ["9.9.9.9#dns.quad9.net"] }));
  assert.doesNotMatch(text, /private-/);
  const file = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(file, text);
    const { code, stderr } = await new Deno.Command("unbound-checkconf", { args: [file] }).output();
    assert.equal(code, 0, new TextDecoder().decode(stderr));
  } finally {
    await Deno.remove(file);
  }
});

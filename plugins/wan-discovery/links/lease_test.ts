import assert from "node:assert/strict";
import fc from "fast-check";
import type { Reply } from "../frames/dhcp.ts";
import { alternative, LeaseClient, nearest, type Outgoing } from "./lease.ts";

const MAC = "02:00:00:00:00:07";
const SERVER = { address: "192.168.1.1", mac: "02:00:00:00:01:01" };
const FORMER = { address: "192.168.1.77", prefixLength: 24, router: "192.168.1.1", dns: [] };
const half = () => 0.5;

/** What is sent, in words. */
function words(outgoing: Outgoing[]): string[] {
  return outgoing.map((one) =>
    one.kind === "dhcp"
      ? [
        one.message.type,
        one.message.requestedAddress ?? one.message.clientAddress,
        one.toServer && "to the server",
      ]
        .filter(Boolean).join(" ")
      : `${one.kind} ${one.address}`
  );
}

/** A server with one address, answering as RFC 2131 has it; `nowMs` moves with `until`. */
class Modem {
  nowMs = 0;
  silent = false;
  said: string[] = [];
  /** What it tells otherwise. */
  told: Partial<Reply> = {};

  constructor(readonly client: LeaseClient, private address = "192.168.1.50", private leaseSeconds = 120) {}

  /** Lets everything happen that is due up to a moment. */
  until(endMs: number): void {
    for (let turn = 0; turn < 1_000 && this.client.dueMs <= endMs; turn++) {
      this.nowMs = Math.max(this.nowMs, this.client.dueMs);
      this.take(this.client.tick(this.nowMs));
    }
    this.nowMs = endMs;
  }

  take(outgoing: Outgoing[]): void {
    this.said.push(...words(outgoing).map((word) => `${(this.nowMs / 1000).toFixed(1)} ${word}`));
    for (const one of outgoing) {
      if (one.kind !== "dhcp" || this.silent) continue;
      const type = one.message.type === "discover"
        ? "offer"
        : one.message.type === "request"
        ? "ack"
        : undefined;
      if (type) this.take(this.client.reply(this.reply(type, one.message.xid), SERVER.mac, this.nowMs));
    }
  }

  reply(type: Reply["type"], xid: number, more: Partial<Reply> = {}): Reply {
    return {
      ...{ type, xid, mac: MAC, server: SERVER.address, address: this.address, prefixLength: 24 },
      ...{ router: SERVER.address, dns: [], leaseSeconds: this.leaseSeconds },
      ...this.told,
      ...more,
    };
  }
}

const client = (target: Partial<ConstructorParameters<typeof LeaseClient>[0]> = {}, taken: string[] = []) =>
  new LeaseClient({ mac: MAC, server: SERVER, ...target }, (address) => taken.includes(address), half);

Deno.test("a lease: asked for, checked by ARP, announced, renewed at half its time by asking the server itself", () => {
  const modem = new Modem(client());
  modem.until(61_000);
  assert.deepEqual(modem.said, [
    "0.0 discover",
    "0.0 request 192.168.1.50",
    ...["0.0 arp-probe 192.168.1.50", "0.3 arp-probe 192.168.1.50", "0.5 arp-probe 192.168.1.50"],
    "0.8 arp-announcement 192.168.1.50",
    "58.5 request 192.168.1.50 to the server",
  ]);
  assert.deepEqual([modem.client.held?.address, modem.client.source], ["192.168.1.50", "lease"]);
});

Deno.test("a server that falls silent: asked alone, then all, then the address is kept, and taken up again later", () => {
  const modem = new Modem(client());
  modem.until(1_000);
  modem.silent = true;
  modem.said = [];
  modem.until(130_000);
  assert.deepEqual(modem.said.map((line) => line.replace(/^\S+ /, "")).slice(0, 3), [
    ...["request 192.168.1.50 to the server", "request 192.168.1.50", "discover 192.168.1.50"],
  ]);
  assert.deepEqual([modem.client.held?.address, modem.client.source], ["192.168.1.50", "kept"]);
  modem.silent = false;
  modem.until(300_000);
  assert.deepEqual([modem.client.held?.address, modem.client.source], ["192.168.1.50", "lease"]);
});

Deno.test("without a server the former address is used once ARP says that it is free; the next one when it is not", () => {
  const kept = new Modem(client({ server: undefined, former: FORMER }));
  kept.until(1_000);
  assert.deepEqual([kept.client.held?.address, kept.client.source], [FORMER.address, "kept"]);
  const taken = client({ server: undefined, former: FORMER });
  taken.tick(0);
  taken.conflict(FORMER.address, 100);
  assert.equal(taken.held, undefined);
  const modem = new Modem(taken);
  modem.until(20_000);
  assert.ok(modem.client.held && modem.client.held.address !== FORMER.address, modem.client.held?.address);
});

Deno.test("where all that a modem gives is another link's, it is taken too, with another one of the box in its place", () => {
  const taken = ["192.168.1.50"];
  const isOf = (others: string[]) =>
    new LeaseClient(
      { mac: MAC, server: SERVER },
      (address) => taken.includes(address),
      half,
      (address) => others.includes(address),
    );
  const modem = new Modem(isOf(taken));
  modem.until(61_000);
  const { held, clashes } = modem.client;
  assert.equal(held?.address, "192.168.1.50");
  assert.match(held!.local!, /^192\.168\.1\.\d+$/);
  assert.ok(!taken.includes(held!.local!) && held!.local !== SERVER.address);
  assert.deepEqual([modem.client.claimed, clashes], [held!.local, false]);
  assert.ok(
    modem.said.includes("58.5 request 192.168.1.50 to the server"),
    "the server hears its own address",
  );
  assert.equal(modem.client.held?.local, held!.local, "a renewal leaves it");
  // After a restart, with what is remembered, and without the server.
  const again = new Modem(
    new LeaseClient({ mac: MAC, former: held }, (address) => taken.includes(address), half),
  );
  again.until(1_000);
  assert.deepEqual([again.client.held?.address, again.client.held?.local], [held!.address, held!.local]);
  // What the LAN or the peer has cannot be shared.
  const clashing = new Modem(isOf([]));
  clashing.until(50_000);
  assert.deepEqual([clashing.client.held, clashing.client.clashes], [undefined, true]);
});

Deno.test("a server that leaves a link's own Ethernet address without any answer is noticed, until it answers", () => {
  const modem = new Modem(client());
  modem.silent = true;
  modem.until(10_000);
  assert.equal(modem.client.isUnheard, false);
  modem.until(20_000);
  assert.equal(modem.client.isUnheard, true);
  modem.silent = false;
  modem.until(60_000);
  assert.deepEqual([modem.client.isUnheard, modem.client.held?.address], [false, "192.168.1.50"]);
});

Deno.test("an offered address that somebody uses is declined, and no other is asked for within ten seconds", () => {
  const modem = new Modem(client());
  modem.take(modem.client.tick(0));
  modem.said = [];
  modem.take(modem.client.conflict("192.168.1.50", 100));
  assert.deepEqual(modem.said, ["0.0 decline 192.168.1.50"]);
  assert.ok(modem.client.dueMs >= 10_100);
});

Deno.test("a held address is defended once, and given up when the other insists (RFC 5227 2.4)", () => {
  const modem = new Modem(client());
  modem.until(2_000);
  assert.deepEqual(words(modem.client.conflict("192.168.1.50", 3_000)), ["arp-announcement 192.168.1.50"]);
  assert.deepEqual(words(modem.client.conflict("192.168.1.50", 4_000)), ["decline 192.168.1.50"]);
  assert.equal(modem.client.held, undefined);
});

Deno.test("an address that another link has is not taken: another one is asked for, a few times only", () => {
  const asking = client({}, ["192.168.1.50"]);
  const modem = new Modem(asking);
  modem.until(1_000);
  assert.equal(asking.held, undefined);
  assert.ok(asking.clashes);
  const wanted = modem.said.filter((line) => / discover \S/.test(line));
  assert.ok(
    wanted.length >= 3 && wanted.length <= 6 && wanted.every((line) => !line.endsWith(".50")),
    wanted.join(),
  );
});

Deno.test("only the chosen server of the chosen station is heard, whoever else answers with its address", () => {
  const asking = client();
  asking.tick(0);
  const modem = new Modem(asking);
  const xid = Math.floor(half() * 2 ** 32);
  for (
    const [reply, from] of [
      [modem.reply("offer", xid), "02:00:00:00:09:09"],
      [modem.reply("offer", xid, { server: "192.168.1.2" }), SERVER.mac],
      [modem.reply("offer", xid + 1), SERVER.mac],
      [modem.reply("offer", xid, { mac: "02:00:00:00:00:08" }), SERVER.mac],
      [modem.reply("offer", xid, { router: undefined }), SERVER.mac],
      [modem.reply("offer", xid, { address: SERVER.address }), SERVER.mac],
      [modem.reply("ack", xid), SERVER.mac],
    ] as const
  ) assert.deepEqual(asking.reply(reply, from, 10), []);
  assert.deepEqual(words(asking.reply(modem.reply("offer", xid), SERVER.mac, 10)), ["request 192.168.1.50"]);
});

Deno.test("the address goes back to the server when the modem is no longer wanted", () => {
  const modem = new Modem(client());
  modem.until(2_000);
  assert.deepEqual(words(modem.client.release()), ["release 192.168.1.50 to the server"]);
  assert.equal(modem.client.held, undefined);
  assert.deepEqual(modem.client.release(), []);
});

Deno.test("another address is in the subnet, is nobody's, and is none of the subnet's own", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 8, max: 31 }),
      fc.nat(255),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      (prefixLength, last, chance) => {
        const grant = { address: `10.20.30.${last}`, prefixLength, router: "10.20.30.1", dns: [] };
        const found = alternative(grant, (address) => address.endsWith(".7"), chance);
        if (!found) return prefixLength > 28;
        const size = 2 ** (32 - prefixLength);
        const number = (address: string) =>
          address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
        const offset = number(found) % size;
        assert.equal(Math.floor(number(found) / size), Math.floor(number(grant.address) / size));
        assert.ok(prefixLength === 31 || offset > 0 && offset < size - 1);
        assert.ok(found !== grant.address && found !== grant.router && !found.endsWith(".7"));
        return true;
      },
    ),
  );
});

Deno.test("whatever servers and time do: bounded traffic, and nothing held that ARP did not check", () => {
  const event = fc.record({
    what: fc.constantFrom("pass", "offer", "ack", "nak", "conflict", "silence", "retarget" as const),
    afterMs: fc.integer({ min: 0, max: 90_000 }),
    leaseSeconds: fc.constantFrom(0, 1, 60, 3_600, 0xffffffff),
    last: fc.integer({ min: 2, max: 254 }),
  });
  fc.assert(
    fc.property(fc.array(event, { maxLength: 60 }), fc.boolean(), (events, hasFormer) => {
      let seed = 1;
      const random = () => (seed = seed * 16807 % 2147483647) / 2147483647;
      const asking = new LeaseClient(
        { mac: MAC, server: SERVER, former: hasFormer ? FORMER : undefined },
        (address) => /[05]$/.test(address),
        random,
      );
      const modem = new Modem(asking);
      const probed = new Map<string, number>();
      let [nowMs, xid, sent] = [0, 0, 0];
      const note = (outgoing: Outgoing[]) => {
        for (const one of outgoing) {
          sent++;
          if (one.kind === "dhcp") xid = one.message.xid;
          if (one.kind === "arp-probe") probed.set(one.address, (probed.get(one.address) ?? 0) + 1);
        }
      };
      for (const { what, afterMs, leaseSeconds, last } of events) {
        const endMs = nowMs + afterMs;
        for (let turns = 0; asking.dueMs <= endMs; turns++) {
          assert.ok(turns < 200, "it never rests");
          nowMs = Math.max(nowMs, asking.dueMs);
          note(asking.tick(nowMs));
        }
        nowMs = endMs;
        const before = asking.held?.address;
        if (what === "offer" || what === "ack" || what === "nak") {
          const address = what === "nak" ? undefined : `192.168.1.${last}`;
          note(asking.reply(modem.reply(what, xid, { address, leaseSeconds }), SERVER.mac, nowMs));
        } else if (what === "conflict") note(asking.conflict(before ?? `192.168.1.${last}`, nowMs));
        else if (what === "retarget") asking.retarget(last % 2 ? SERVER : undefined, nowMs);
        const held = asking.held?.address;
        if (held) assert.ok((probed.get(held) ?? 0) >= 3 && !/[05]$/.test(held), held);
      }
      // At most the few of one exchange, and a probe or retry each second.
      assert.ok(sent <= 20 + events.length * 8 + nowMs / 1000, `${sent} in ${nowMs} ms`);
    }),
    { numRuns: 500 },
  );
});

Deno.test("from wherever in a pool of four the only free address is found within six questions", () => {
  for (const offered of [100, 101, 102, 103]) {
    for (const free of [100, 101, 102, 103]) {
      if (free === offered) continue;
      const grant = { address: `192.168.1.${offered}`, prefixLength: 24, router: "192.168.1.1", dns: [] };
      const asked = new Set<string>();
      while (!asked.has(`192.168.1.${free}`)) {
        asked.add(nearest(grant, (one) => asked.has(one))!);
        assert.ok(asked.size <= 6, [...asked].join(" "));
      }
    }
  }
});

Deno.test("a mask that no home has is not believed, neither at first nor at a renewal", () => {
  for (
    const told of [{ prefixLength: 1, mask: "128.0.0.0" }, { prefixLength: undefined, mask: "255.0.255.0" }]
  ) {
    const odd = new Modem(client());
    odd.told = told;
    odd.until(1_000);
    assert.deepEqual([odd.client.held?.prefixLength, odd.client.held?.oddMask], [32, told.mask]);
    const turned = new Modem(client());
    turned.until(1_000);
    assert.deepEqual([turned.client.held?.prefixLength, turned.client.held?.oddMask], [24, undefined]);
    turned.told = told;
    turned.until(61_000);
    assert.deepEqual([turned.client.held?.prefixLength, turned.client.held?.oddMask], [32, told.mask]);
  }
});

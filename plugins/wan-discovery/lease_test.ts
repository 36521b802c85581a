import { strict as assert } from "node:assert";
import fc from "fast-check";
import type { Message, MessageType } from "./dhcp.ts";
import { LeaseClient, leaseOf, prefixOf, usable } from "./lease.ts";

const clientMac = "02:00:00:00:00:01", server = "192.168.1.1";

function client(remembered?: string) {
  return new LeaseClient(
    { clientMac, clientId: new Uint8Array(4), hostName: "otb", server, remembered, random: () => 0.5 },
    0,
  );
}

/** An answer to what was last sent. */
function say(type: MessageType, to: Message, parts: Partial<Message> = {}): Message {
  return {
    from: "server",
    type,
    xid: to.xid,
    clientMac,
    serverId: server,
    yourAddress: "192.168.1.50",
    subnetMask: "255.255.255.0",
    routers: ["192.168.1.1"],
    leaseSeconds: 1_000,
    ...parts,
  };
}

/** A client with a lease of 1,000 s, taken at 0. */
function bound() {
  const subject = client();
  const discover = subject.tick(0)!.message;
  const request = subject.take(say("offer", discover), 0)!.message;
  subject.take(say("ack", request), 0);
  return subject;
}

Deno.test("discover, offer, request, acknowledge: one exchange, and the address is ours until its time", () => {
  const subject = client();
  const discover = subject.tick(0)!;
  assert.deepEqual([discover.message.type, discover.unicast, discover.message.broadcast], [
    "discover",
    false,
    true,
  ]);
  const request = subject.take(say("offer", discover.message), 10)!.message;
  assert.deepEqual([request.type, request.requestedAddress, request.serverId, request.xid], [
    "request",
    "192.168.1.50",
    server,
    discover.message.xid,
  ]);
  assert.equal(subject.take(say("ack", request), 20), undefined);
  assert.deepEqual([subject.state, subject.lease], ["bound", {
    address: "192.168.1.50",
    prefixLength: 24,
    gateway: "192.168.1.1",
    dns: [],
    renewAtMs: 500_010,
    rebindAtMs: 875_010,
    expiresAtMs: 1_000_010,
  }]);
});

Deno.test("other servers, other clients and other exchanges are not listened to", () => {
  const subject = client();
  const { message } = subject.tick(0)!;
  const wrong: Partial<Message>[] = [
    { serverId: "192.168.1.2" },
    { xid: message.xid ^ 1 },
    { clientMac: "02:00:00:00:00:02" },
    { from: "client" },
    { yourAddress: "127.0.0.1" },
    { yourAddress: undefined },
  ];
  for (const parts of wrong) assert.equal(subject.take(say("offer", message, parts), 1), undefined);
  assert.equal(subject.state, "selecting");
  assert.equal(subject.take(say("ack", message), 1), undefined);
  assert.equal(subject.lease, undefined, "nothing was asked for yet");
});

Deno.test("it renews with its server alone, then asks everybody, then starts over", () => {
  const subject = bound();
  assert.equal(subject.tick(499_000), undefined);
  const renew = subject.tick(500_000)!;
  assert.deepEqual([renew.unicast, renew.message.clientAddress, renew.message.broadcast], [
    true,
    "192.168.1.50",
    false,
  ]);
  const rebind = subject.tick(875_000)!;
  assert.deepEqual([subject.state, rebind.unicast, subject.unanswered], ["rebinding", false, true]);
  assert.equal(subject.tick(1_000_000)!.message.type, "discover");
  assert.equal(subject.lease, undefined);
});

Deno.test("a renewal lengthens the lease; a refusal ends it at once", () => {
  const subject = bound();
  const { message } = subject.tick(500_000)!;
  subject.take(say("ack", message), 500_050);
  assert.equal(subject.lease!.expiresAtMs, 1_500_000);
  const again = subject.tick(1_000_000)!.message;
  assert.equal(subject.take(say("nak", again), 1_000_010)!.message.type, "discover");
  assert.equal(subject.lease, undefined);
});

Deno.test("a remembered address is asked for first, and the search begins when nobody knows it", () => {
  const subject = client("192.168.1.77");
  const first = subject.tick(0)!.message;
  assert.deepEqual([first.type, first.requestedAddress, first.serverId], [
    "request",
    "192.168.1.77",
    undefined,
  ]);
  assert.equal(subject.tick(4_000)!.message.type, "request");
  assert.equal(subject.tick(12_000)!.message.type, "discover");
  assert.equal(subject.unanswered, true);
});

Deno.test("an address that somebody has is declined, and another is asked for after a rest", () => {
  const subject = bound();
  const { message } = subject.decline(1_000)!;
  assert.deepEqual([message.type, message.requestedAddress, message.serverId], [
    "decline",
    "192.168.1.50",
    server,
  ]);
  assert.equal(subject.tick(10_999), undefined);
  assert.equal(subject.tick(11_000)!.message.type, "discover");
});

Deno.test("property: whatever a server says, no address is held beyond its time, and the next step is always due", () => {
  const step = fc.record({
    afterMs: fc.integer({ min: 0, max: 400_000 }),
    type: fc.constantFrom<MessageType | undefined>("offer", "ack", "nak", undefined),
    leaseSeconds: fc.option(fc.integer({ min: 0, max: 0xffff_ffff }), { nil: undefined }),
    renewSeconds: fc.option(fc.integer({ min: 0, max: 0xffff_ffff }), { nil: undefined }),
    routers: fc.option(fc.array(fc.ipV4(), { maxLength: 2 }), { nil: undefined }),
  });
  fc.assert(fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
    const subject = client();
    let nowMs = 0;
    let last = subject.tick(0)?.message;
    for (const { afterMs, type, ...parts } of steps) {
      nowMs += afterMs;
      last = subject.tick(nowMs)?.message ?? last;
      if (type) last = subject.take(say(type, last!, parts), nowMs)?.message ?? last;
      assert.ok(Number.isFinite(subject.nextMs));
      if (subject.lease) {
        assert.ok(subject.lease.expiresAtMs > nowMs, "expired");
        assert.ok(usable(subject.lease.gateway));
      }
    }
  }));
});

Deno.test("a lease that can't be lived with is none", () => {
  const ack = say("ack", { xid: 1 } as Message);
  assert.equal(leaseOf({ ...ack, routers: [] }, 0), undefined, "no way out");
  assert.equal(leaseOf({ ...ack, routers: ["192.168.1.50"] }, 0), undefined, "we would be our own gateway");
  assert.equal(leaseOf({ ...ack, yourAddress: "224.0.0.1" }, 0), undefined);
  assert.equal(leaseOf({ ...ack, leaseSeconds: 1 }, 0)!.expiresAtMs, 60_000, "nobody renews every second");
  assert.deepEqual(["255.255.255.255", "255.0.255.0", undefined].map(prefixOf), [32, undefined, undefined]);
});

import { strict as assert } from "node:assert";
import fc from "fast-check";
import { ADDRESS_BYTES, decodeAddress, openNative } from "../../../core/native/ffi.ts";
import type { PeerFact } from "@otb/plugin";
import { probePeer } from "./peer_probe.ts";
import { ProxyReach } from "./proxy_reach.ts";
import { Reactor } from "../relay/reactor.ts";
import { Bench } from "../testing/bench.ts";
import { MptcpTransport } from "../transport/transport.ts";

/** Plays what is heard at its seconds: an answer, a miss, or only what is reported; says when the proxy is out of order. */
function play(
  ...steps: [seconds: number, heard: boolean | undefined, reported?: PeerFact["state"]][]
): boolean[] {
  const reach = new ProxyReach();
  return steps.map(([seconds, heard, reported]) => {
    if (heard !== undefined) reach.heard(heard, seconds * 1000);
    return reach.isOut(reported, seconds * 1000);
  });
}

Deno.test("the proxy is out of order when all has failed for 3 s, and back when all has worked for 3 s", () => {
  assert.deepEqual(
    play([0, true], [1, false], [2, false], [3.9, false], [4, false], [5, true], [7, false], [8, true], [
      11,
      true,
    ]),
    [false, false, false, false, true, true, true, true, false],
  );
  // One success among failures is enough.
  assert.deepEqual(play([0, false], [2, true], [3, false], [5, false], [6, false]), [
    false,
    false,
    false,
    false,
    true,
  ]);
});

Deno.test("what the path manager reports is believed at once, and its word alone brings nothing back", () => {
  assert.deepEqual(
    play(
      [0, true, "up"],
      [60, undefined, "down"],
      [61, undefined, "up"],
      [62, true, "up"],
      [64, true, "up"],
      [65, true, "up"],
    ),
    [false, true, true, true, true, false],
  );
  assert.deepEqual(play([0, true, "down"], [3, true, "down"], [9, true, "down"], [9.1, true, "up"]), [
    true,
    true,
    true,
    false,
  ]);
  assert.deepEqual(play([0, undefined], [99, undefined, "unknown"]), [false, false]);
});

Deno.test("property: whatever happens, it is out only after a reason and back only after answers", () => {
  const step = fc.record({
    afterMs: fc.nat(2_000),
    heard: fc.option(fc.boolean(), { nil: undefined }),
    reported: fc.constantFrom<PeerFact["state"]>("up", "up", "down", "unknown"),
  });
  fc.assert(fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
    const reach = new ProxyReach();
    let nowMs = 0, out = false, failedMs: number | undefined, answeredMs: number | undefined;
    for (const { afterMs, heard, reported } of steps) {
      nowMs += afterMs;
      if (heard !== undefined) reach.heard(heard, nowMs);
      if (heard) [failedMs, answeredMs] = [undefined, answeredMs ?? nowMs];
      if (heard === false) [failedMs, answeredMs] = [failedMs ?? nowMs, undefined];
      const next = reach.isOut(reported, nowMs);
      if (next && !out) assert.ok(reported === "down" || nowMs - failedMs! >= 3_000);
      if (!next && out) assert.ok(reported !== "down" && nowMs - answeredMs! >= 3_000);
      out = next;
      assert.ok(reach.doubtful || !out);
    }
  }));
});

Deno.test("asking the peer: a port that listens answers, one that refuses and one that is silent do not", async () => {
  const native = openNative(), reactor = new Reactor(native);
  const running = reactor.run();
  const ask = (port: number, address = "127.0.0.1") => {
    const transport = new MptcpTransport(native, { name: "peer", address, port });
    return probePeer({ native, reactor, transport }, [undefined, undefined], 300);
  };
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  try {
    assert.equal(await ask(listener.addr.port), true);
    const { port } = listener.addr;
    listener.close();
    assert.equal(await ask(port), false);
    // A full queue of connections answers no more.
    const { fd } = native.listen({ host: "127.0.0.1", port: 0 }, { backlog: 0 });
    const own = new Uint8Array(ADDRESS_BYTES);
    native.localAddress(fd, own);
    const filling = Array.from({ length: 3 }, () => native.connect(decodeAddress(own)).fd);
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(await ask(decodeAddress(own).port), false);
    for (const one of [fd, ...filling]) native.close(one);
  } finally {
    reactor.stop();
    await running;
  }
});

Deno.test({
  name:
    "what began in the tunnel goes on there when the proxy is back, and what the proxy has stays with it while it is out",
  ignore: Deno.uid() !== 0 || Deno.build.os !== "linux",
  async fn() {
    using bench = new Bench();
    bench.listen();
    bench.intercept(true);
    const first = await bench.open();
    assert.equal(first.by, "server");
    bench.works(first);
    bench.intercept(false);
    bench.works(first);
    const second = await bench.open();
    assert.equal(second.by, "proxy");
    bench.works(second);
    bench.intercept(true);
    const third = await bench.open();
    assert.equal(third.by, "server");
    for (const connection of [first, second, third]) bench.works(connection);
    bench.intercept(false);
    for (const connection of [first, second, third]) bench.works(connection);
    assert.equal((await bench.open()).by, "proxy");
  },
});

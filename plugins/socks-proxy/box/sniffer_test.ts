import { strict as assert } from "node:assert";
import {
  ADDRESS_BYTES,
  decodeAddress,
  encodeAddress,
  openNative,
  PollEvents,
} from "../../../core/native/ffi.ts";
import { until } from "../../../core/native/testing/namespace.ts";
import { Reactor } from "../relay/reactor.ts";
import { Sniffer } from "./sniffer.ts";
import { outboundCounters } from "./outbound.ts";

Deno.test("a flood of silent connections switches no domain rule off: the oldest goes its way, the newest is looked at", async () => {
  const native = openNative(), reactor = new Reactor(native);
  const running = reactor.run();
  const sent: number[] = [];
  const sniffer = new Sniffer({
    ...{ native, reactor, counters: outboundCounters() },
    outbound: { open: ({ fd }) => void sent.push(fd) },
    rules: () => [{ rule: "games", domains: ["example.com"], way: "block", mark: 0 }],
    deviceOf: () => undefined,
    onHit: () => {},
  });
  const listener = native.listen({ host: "127.0.0.1", port: 0 }, { backlog: 4096 }).fd;
  const record = new Uint8Array(ADDRESS_BYTES);
  native.localAddress(listener, record);
  const to = decodeAddress(record);
  const near = Array.from({ length: 1_025 }, () => native.connect(to).fd);
  const far: number[] = [];
  try {
    await until(() => {
      for (let fd; (fd = native.accept(listener, record, null)) >= 0;) far.push(fd);
      return far.length === near.length;
    });
    const wanted = encodeAddress({ host: "203.0.113.10", port: 80 });
    for (const fd of far) {
      const plain = { fd, tag: reactor.add(fd, PollEvents.in, () => {}), watched: PollEvents.in };
      sniffer.take({ plain, wanted, target: new Uint8Array(7) }, record);
    }
    assert.deepEqual(sent, [far[0]], "all but the oldest are looked at");
    const said = new TextEncoder().encode("GET / HTTP/1.1\r\nHost: www.example.com\r\n\r\n");
    native.write(near.at(-1)!, said, 0, said.length);
    const byte = new Uint8Array(1);
    await until(() => native.read(near.at(-1)!, byte, 0, 1) === -104);
    assert.ok(!sent.includes(far.at(-1)!));
    await until(() => sent.length === far.length - 1);
  } finally {
    for (const fd of [listener, ...near, ...sent]) native.close(fd);
    reactor.stop();
    await running;
  }
});

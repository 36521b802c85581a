import assert from "node:assert/strict";
import type { Reply } from "../frames/dhcp.ts";
import { Evidence } from "./evidence.ts";

const mac = (count: number) =>
  `02:00:00:00:${(count >> 8).toString(16).padStart(2, "0")}:${(count & 255).toString(16).padStart(2, "0")}`;
const offer = (server: string, type: Reply["type"] = "offer"): Reply => ({
  ...{ type, xid: 1, mac: mac(1), server, dns: [] },
  ...(type === "nak" ? {} : { address: "192.168.1.50", prefixLength: 24, router: server }),
});
const advertisement = (count: number) => ({
  ...{ mac: mac(count), router: "fe80::1", lifetimeSeconds: 1800, managed: false, otherConfig: false },
  ...{ prefixes: [], dns: [] },
});

Deno.test("a flood fills a table and no more, tells so, and does not push out who was there before", () => {
  const evidence = new Evidence();
  evidence.noteReply("lan0", offer("192.168.1.1"), mac(0), 0);
  evidence.noteAdvertisement("lan0", advertisement(0), 0);
  for (let count = 1; count < 5_000; count++) {
    evidence.noteReply("lan0", offer(`10.0.${count >> 8}.${count & 255}`), mac(count), 1);
    evidence.noteAdvertisement("lan0", advertisement(count), 1);
    evidence.noteStation("lan0", "192.168.1.1", mac(count), 1);
  }
  const { servers, routers, stations } = evidence;
  assert.deepEqual([servers.length, routers.length, stations.length], [16, 16, 4]);
  assert.ok(
    servers.some(({ server }) => server === "192.168.1.1") && routers.some((one) => one.mac === mac(0)),
  );
  assert.deepEqual([...evidence.floods.keys()].sort(), ["lan0 dhcp", "lan0 ra"]);
  evidence.noteReply("wan1", offer("192.168.2.1"), mac(1), 2);
  assert.equal(evidence.servers.length, 17, "another interface has room of its own");
});

Deno.test("a refusal tells of a server, and takes nothing from what its offer told", () => {
  const evidence = new Evidence();
  evidence.noteReply("lan0", offer("192.168.1.1", "nak"), mac(1), 0);
  assert.deepEqual(evidence.servers.map(({ offeredMs, router }) => [offeredMs, router]), [[
    undefined,
    undefined,
  ]]);
  evidence.noteReply("lan0", offer("192.168.1.1"), mac(1), 1);
  evidence.noteReply("lan0", offer("192.168.1.1", "nak"), mac(1), 2);
  assert.deepEqual(
    evidence.servers.map((
      { offeredMs, router, network, lastSeenMs },
    ) => [offeredMs, router, network, lastSeenMs]),
    [
      [1, "192.168.1.1", "192.168.1.0/24", 2],
    ],
  );
});

Deno.test("what is not seen again is forgotten, and everything behind a cable that was pulled", () => {
  const evidence = new Evidence();
  evidence.noteReply("lan0", offer("192.168.1.1"), mac(1), 0);
  evidence.noteReply("wan1", offer("192.168.2.1"), mac(2), 50);
  evidence.noteStation("wan1", "192.168.2.1", mac(2), 50);
  evidence.forget(100, { serversMs: 60, stationsMs: 60, routersMs: 60 }, new Set(["lan0", "wan1"]));
  assert.deepEqual(evidence.servers.map(({ server }) => server), ["192.168.2.1"]);
  evidence.noteJoin("lan0", "wan1", 60);
  evidence.unplugged("wan1");
  assert.deepEqual([evidence.servers.length, evidence.stations.length, evidence.joins.length], [0, 0, 0]);
});

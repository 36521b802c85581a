import assert from "node:assert/strict";
import type { Reply } from "./frames/dhcp.ts";
import { Evidence } from "./search/evidence.ts";
import type { DhcpServerFact } from "@otb/plugin";
import { facts } from "./report.ts";

const MAC = "02:00:5e:10:77:01";
const reply = (type: Reply["type"]): Reply => ({
  ...{ type, xid: 1, mac: "02:00:00:00:00:07", server: "192.168.8.1", dns: [] },
  ...(type === "nak" ? {} : { address: "192.168.8.100", prefixLength: 24, router: "192.168.8.1" }),
});

/** What is told of the server at MAC. */
function told(evidence: Evidence): DhcpServerFact {
  const found = facts({
    ...{ links: [], evidence, lan: "lan0", grantOf: () => undefined },
    epochOf: (ms) => 1_000_000 + ms,
  });
  return found.servers.get(MAC)!;
}

Deno.test("of two servers with one Ethernet address the one on the LAN is told of, whichever was seen last", () => {
  const evidence = new Evidence();
  evidence.noteReply("lan0", reply("offer"), MAC, 0);
  evidence.noteReply("usb1", reply("offer"), MAC, 500);
  assert.deepEqual([told(evidence).interface, told(evidence).onLan], ["lan0", true]);
});

Deno.test("a server is told of with when it last offered, which a refusal leaves as it was", () => {
  const evidence = new Evidence();
  evidence.noteReply("lan0", reply("nak"), MAC, 0);
  assert.deepEqual([told(evidence).lastSeenMs, told(evidence).offeredMs], [1_000_000, undefined]);
  evidence.noteReply("lan0", reply("offer"), MAC, 100);
  evidence.noteReply("lan0", reply("nak"), MAC, 200);
  assert.deepEqual([told(evidence).lastSeenMs, told(evidence).offeredMs], [1_000_200, 1_000_100]);
});

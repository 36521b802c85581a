import assert from "node:assert/strict";
import { readMac } from "../frames/addresses.ts";
import type { Reply } from "../frames/dhcp.ts";
import { parseUdp } from "../frames/frames.ts";
import { Prober } from "./prober.ts";

const OWN = "02:00:00:00:00:01", STRANGER = "02:00:00:00:00:99";

/** A prober with the DHCP questions that it asked: `3.0 discover of STRANGER`. */
function asking(onLan: boolean, answer = false) {
  let count = 0;
  const prober = new Prober({ mac: OWN, onLan }, STRANGER, () => ++count);
  const said: string[] = [];
  prober.restart({ mac: OWN, onLan }, 0);
  for (let nowMs = 0; nowMs < 130_000; nowMs += 500) {
    for (const frame of prober.tick(nowMs, 60_000)) {
      const { payload } = parseUdp(frame) ?? {};
      if (!payload) continue;
      const mac = readMac(payload, 28);
      const type = payload[242] === 1 ? "discover" : "foreign";
      said.push(`${nowMs / 1000} ${type} of ${mac === OWN ? "OWN" : "STRANGER"}`);
      const xid = new DataView(payload.buffer, payload.byteOffset).getUint32(4);
      if (answer) assert.ok(prober.isAnswer({ type: "offer", xid, mac, server: "10.0.0.1", dns: [] }));
    }
  }
  return { prober, said };
}

Deno.test("rounds come quickly at first; a server that offers nothing is asked as one that comes from elsewhere", () => {
  const { said } = asking(true);
  assert.deepEqual(said.slice(0, 6), [
    ...["0 discover of STRANGER", "1 discover of STRANGER", "1 foreign of STRANGER"],
    ...["4 discover of STRANGER", "5 discover of STRANGER", "5 foreign of STRANGER"],
  ]);
  // At 0, 4, 15, 42 and 96 seconds, three questions each.
  assert.equal(said.length, 15);
});

Deno.test("on a port the interface itself asks for offers, and never claims to have an address of elsewhere", () => {
  const { said } = asking(false);
  assert.ok(said.some((line) => line.endsWith("foreign of STRANGER")));
  assert.deepEqual([...new Set(said.map((line) => line.replace(/^\S+ /, "")))].sort(), [
    ...["discover of OWN", "foreign of STRANGER"],
  ]);
});

Deno.test("a server that offers is not asked to refuse", () => {
  const { said } = asking(true, true);
  assert.ok(said.every((line) => line.includes("discover")), said.join());
});

Deno.test("only answers to the last round count", () => {
  const { prober } = asking(true);
  const reply: Reply = { type: "offer", xid: 1, mac: STRANGER, server: "10.0.0.1", dns: [] };
  assert.equal(prober.isAnswer(reply), false);
  assert.equal(prober.isAnswer({ ...reply, xid: 13, mac: OWN }), false);
});

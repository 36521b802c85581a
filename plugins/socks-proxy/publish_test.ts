import { strict as assert } from "node:assert";
import { protocolOf } from "./publish.ts";

Deno.test("connections are striped once new ones are, whatever those before the peer was asked were", () => {
  const none = { mptcp: 0, tcp: 0, striped: 0 };
  assert.equal(protocolOf(none), "unknown");
  assert.equal(protocolOf({ ...none, mptcp: 3 }), "mptcp");
  assert.equal(protocolOf({ ...none, mptcp: 3, tcp: 1 }), "mixed");
  assert.equal(protocolOf({ ...none, mptcp: 3, striped: 1, transport: "striped" }), "striped");
  assert.equal(protocolOf({ ...none, mptcp: 3, transport: "striped" }), "mptcp");
  // The peer has boxes of both kinds.
  assert.equal(protocolOf({ ...none, mptcp: 3, striped: 1 }), "mixed");
});

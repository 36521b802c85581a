import assert from "node:assert/strict";
import type { Link } from "@otb/plugin";
import { FakeContext } from "@otb/plugin/testing";
import deno from "./deno.json" with { type: "json" };
import plugin from "./mod.ts";

const LINK: Link = {
  name: "fibre",
  interface: "wan1",
  found: true,
  tier: "primary",
  observed: { state: "up", address: "192.0.2.2", prefixLength: 24, gateway: "192.0.2.1" },
};

Deno.test("a link that comes while the plugin starts gets its routes: nobody tells of it again", async () => {
  const peer = { name: "cloud", address: "127.0.0.1", port: 9 };
  const ctx = new FakeContext(plugin, { manifest: deno.otb, network: { peers: [peer] } });
  ctx.onClaim = (key) => {
    // The last of the first wishes is being applied.
    if (key === "endpoints") ctx.links.set([LINK]);
  };
  try {
    await plugin.start(ctx);
    const routed = () => ctx.claims.get("routes")?.some(({ kind }) => kind === "rule");
    for (let turn = 0; turn < 300 && !routed(); turn++) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    assert.ok(routed(), JSON.stringify([...ctx.claims]));
  } finally {
    await ctx.stop();
  }
});

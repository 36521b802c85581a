// The running plugin on a core of the test: the filter is there before the program and goes after it, and a failure is told.
import { strict as assert } from "node:assert";
import { INTERFACE, type InterfaceFact, MULTICAST_WAY } from "@otb/plugin";
import { FakeContext } from "@otb/plugin/testing";
import deno from "./deno.json" with { type: "json" };
import plugin from "./mod.ts";

function device(name: string, address: string): InterfaceFact {
  return { name, index: 1, mtu: 1500, up: true, carrier: true, hardware: 1, addresses: [address] };
}

Deno.test("nothing is routed without the filter, and the program's end is a condition until it serves again", async () => {
  const ctx = new FakeContext(plugin, {
    manifest: deno.otb,
    network: { lan: { interface: "lan0", address: "192.168.100.1/24" } },
  });
  ctx.tell(INTERFACE, "lan0", device("lan0", "192.168.100.1/24"));
  ctx.tell(INTERFACE, "wan1", device("wan1", "192.168.11.2/24"));
  const multicast = await plugin.start(ctx);
  const program = ctx.programs.get("igmpproxy")!;
  /** Which of both is there whenever the filter changes. */
  const order: string[] = [];
  ctx.onClaim = (_, resources) =>
    void order.push(
      `${resources.length > 0 ? "filter comes" : "filter goes"}, ${program.spec ? "runs" : "rests"}`,
    );
  try {
    assert.equal(program.spec, undefined);
    ctx.tell(MULTICAST_WAY, "fibre", { link: "fibre", interface: "wan1", devices: ["02:00:00:00:00:0a"] });
    await plugin.reload!(multicast, ctx.config);
    assert.match(program.spec!.input, /^phyint wan1 upstream/m);
    program.ends("There must be at least 2 Vif's");
    assert.match(ctx.conditions.get("igmpproxy-ended")!.message, /at least 2 Vif's/);
    await plugin.reload!(multicast, { ...ctx.config, enabled: false });
    assert.equal(program.spec, undefined);
    assert.equal(ctx.conditions.has("igmpproxy-ended"), false);
    assert.deepEqual(order, ["filter comes, rests", "filter goes, rests"]);
    await plugin.reload!(multicast, ctx.config);
    assert.ok(program.spec);
  } finally {
    await ctx.stop();
  }
  assert.equal(program.spec, undefined);
});

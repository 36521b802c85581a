// One minute of `otb bench soak`, with the faults of one seed; OTB_TEST_SEED is another one, as what failed printed it.
import { strict as assert } from "node:assert";
import { run } from "../bench/soak.ts";

/** Its faults are a killed core and plugin, a cut link, flushed tables of nft, deleted TUN devices, and a modem that starts anew. */
const SEED = 34;

Deno.test("a minute of faults under traffic: nothing breaks that should live, no setting is lost, nothing ends by itself", async () => {
  const seed = Number(Deno.env.get("OTB_TEST_SEED") ?? SEED);
  const { broken, done, connections, names, growth, conntrack } = await run({ minutes: 1, seed });
  assert.deepEqual(broken, [], `seed ${seed}, what was done:\n${done.join("\n")}`);
  assert.ok(done.length >= 5 && connections > 50 && names > 200, `${done.length}, ${connections}, ${names}`);
  assert.deepEqual(Object.entries({ ...growth, ...conntrack }).filter(([, { pass }]) => !pass), []);
});

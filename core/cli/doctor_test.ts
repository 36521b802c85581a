import { strict as assert } from "node:assert";
import { bridgeFilter } from "./doctor.ts";

Deno.test("doctor names the switches by which a bridge takes the proxy's connections, and only those that are on", async () => {
  const directory = await Deno.makeTempDir({ prefix: "otb" });
  try {
    assert.deepEqual(bridgeFilter(directory), []);
    await Deno.writeTextFile(`${directory}/bridge-nf-call-iptables`, "1\n");
    await Deno.writeTextFile(`${directory}/bridge-nf-call-ip6tables`, "0\n");
    const [finding] = bridgeFilter(directory);
    assert.equal(finding!.state, "warning");
    assert.match(finding!.next!, /sysctl -w net\.bridge\.bridge-nf-call-iptables=0$/);
    await Deno.writeTextFile(`${directory}/bridge-nf-call-iptables`, "0\n");
    assert.deepEqual(bridgeFilter(directory), []);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

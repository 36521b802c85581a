import { strict as assert } from "node:assert";
import { lossOf } from "./loss.ts";

const leases = { trialLeaseSeconds: 120, leaseSeconds: 43_200, renewSeconds: 1_800 };
const modem = {
  mac: "02:00:00:00:00:01",
  server: "192.168.1.1",
  router: "192.168.1.1",
  network: "192.168.1.0/24",
  vendor: "",
  isAnswering: false,
};

Deno.test("a box that gives no addresses may stop without a word", () => {
  assert.equal(lossOf({ serving: "no", servers: [modem] }, leases), undefined);
});

Deno.test("stopping the LAN's only DHCP server is told with how long devices stay lost, and the way to give back", () => {
  const { sentences, instead } = lossOf({ serving: "confirmed", servers: [modem] }, leases)!;
  assert.equal(instead?.action, "undo");
  assert.match(sentences.join(" "), /reach nothing.*within 45 min, some only after 12 h.*otb dhcp undo/);
  assert.match(
    lossOf({ serving: "trial", servers: [modem] }, leases)!.sentences[1]!,
    /within 1 min 45 s, some only after 2 min;/,
  );
  const renewing = { ...leases, leaseSeconds: 1_200 };
  assert.match(lossOf({ serving: "confirmed", servers: [modem] }, renewing)!.sentences[1]!, /within 20 min;/);
});

Deno.test("where nobody takes them back, giving back is not offered", () => {
  for (const servers of [[], [{ ...modem, router: "" }]]) {
    const { sentences, instead } = lossOf({ serving: "confirmed", servers }, leases)!;
    assert.equal(instead, undefined);
    assert.match(sentences[2]!, /another DHCP server on the LAN first/);
  }
  const { sentences, instead } = lossOf({ serving: "for-modem", servers: [modem] }, leases)!;
  assert.equal(instead, undefined);
  assert.match(sentences[2]!, /does not answer yet: switch it on/);
});

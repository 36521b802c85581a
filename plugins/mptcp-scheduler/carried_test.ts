import { strict as assert } from "node:assert";
import fc from "fast-check";
import type { Link } from "@otb/plugin";
import { openNative } from "../../core/native/ffi.ts";
import { counters, parseCounters, parseDevices, Rates, sharing } from "./carried.ts";
import type { UsableLink } from "./routing.ts";

const LAN = { interface: "eth0", address: "192.168.1.5/24" };

function usable(name: string, slot: number, device: string, address: string): UsableLink {
  const link = { name, interface: device, found: true, tier: "primary", observed: { state: "up" } } as Link;
  return { link, slot, address, prefixLength: 24, gateway: "192.168.1.1", congestion: "cubic" };
}

Deno.test("the kernel's text of devices gives bytes in and out of each", () => {
  const text = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo: 8820112   12345    0    0    0     0          0         0  8820112   12345    0    0    0     0       0          0
  wan1:1234567890123 1 0 0 0 0 0 0 42 1 0 0 0 0 0 0
`;
  assert.deepEqual([...parseDevices(text)], [
    ["lo", { rx: 8820112, tx: 8820112 }],
    ["wan1", { rx: 1234567890123, tx: 42 }],
  ]);
  assert.ok(parseDevices(openNative().carried()).has("lo"), "this machine's own");
});

Deno.test("only links that share an interface, with the LAN or each other, are counted by address", () => {
  const alone = usable("fibre", 1, "wan1", "192.168.11.2");
  const onLan = usable("dsl", 2, "eth0", "192.168.1.5");
  const twins = [usable("a", 3, "wan3", "10.0.0.2"), usable("b", 4, "wan3", "10.0.1.2")];
  assert.deepEqual(sharing([alone], LAN), []);
  assert.deepEqual(counters([alone], LAN), []);
  assert.deepEqual(sharing([alone, onLan, ...twins], LAN), [onLan, ...twins]);
  assert.deepEqual(sharing([usable("evil", 5, 'e"', "192.168.1.5")], { ...LAN, interface: 'e"' }), []);
});

Deno.test("rates come from two counts; a counter that was reset, another interface and a first look say nothing", () => {
  const rates = new Rates();
  assert.equal(rates.take("a", "wan1", { rx: 0, tx: 0 }, 0), undefined);
  assert.deepEqual(rates.take("a", "wan1", { rx: 1_000, tx: 500 }, 1_000), {
    rx: 8_000,
    tx: 4_000,
    elapsedMs: 1_000,
  });
  assert.equal(rates.take("a", "wan1", { rx: 10, tx: 5 }, 2_000), undefined);
  assert.equal(rates.take("a", "wan2", { rx: 2_000, tx: 5 }, 3_000), undefined);
  fc.assert(fc.property(fc.array(fc.tuple(fc.nat(1e9), fc.nat(5_000)), { minLength: 2 }), (steps) => {
    const rates = new Rates();
    let rx = 0, atMs = 0, bits = 0, firstMs: number | undefined;
    for (const [bytes, ms] of steps) {
      rx += bytes;
      atMs += ms + 1;
      const taken = rates.take("a", "w", { rx, tx: 0 }, atMs);
      if (taken) bits += taken.rx * taken.elapsedMs / 1000;
      firstMs ??= atMs;
    }
    const sent = steps.slice(1).reduce((sum, [bytes]) => sum + bytes, 0) * 8;
    assert.ok(Math.abs(bits - sent) <= 1 + sent * 1e-9, "nothing is counted twice or lost");
  }));
});

Deno.test({
  name:
    "a modem and devices on one port: the link's bytes are counted, and not what devices and box say to each other",
  ignore: Deno.uid() !== 0,
  fn: async () => {
    const [box, far] = ["box", "far"].map((role) => `otb-seen${Deno.pid}-${role}`);
    const [table] = counters([usable("dsl", 2, "eth0", "192.168.1.5")], LAN);
    assert.ok(table?.kind === "nftTable");
    const script = `set -e
      ip netns add ${box}; ip netns add ${far}
      ip -n ${box} link add eth0 type veth peer name eth0 netns ${far}
      ip -n ${box} address add ${LAN.address} dev eth0; ip -n ${box} link set eth0 up
      ip -n ${far} address add 192.168.1.1/24 dev eth0; ip -n ${far} link set eth0 up; ip -n ${far} link set lo up
      ip -n ${far} address add 203.0.113.10/32 dev lo
      ip -n ${box} route add default via 192.168.1.1
      ip netns exec ${box} nft -f - <<'END'
table inet ${table.name} {
${table.body}
}
END
      ip netns exec ${box} ping -q -c 10 -i 0.02 -s 1000 203.0.113.10 >&2
      ip netns exec ${box} ping -q -c 10 -i 0.02 -s 1000 192.168.1.1 >&2
      ip netns exec ${far} ping -q -c 10 -i 0.02 -s 1000 192.168.1.5 >&2
      ip netns exec ${box} nft -j list counters table inet ${table.name}`;
    try {
      const { success, stdout, stderr } = await new Deno.Command("sh", { args: ["-c", script] }).output();
      assert.ok(success, new TextDecoder().decode(stderr));
      // Ten echoes each way beyond the LAN: IP and ICMP headers and an Ethernet one.
      const bytes = 10 * (1000 + 20 + 8 + 14);
      assert.deepEqual([...parseCounters(new TextDecoder().decode(stdout))], [[2, { rx: bytes, tx: bytes }]]);
    } finally {
      for (const name of [box, far]) {
        await new Deno.Command("ip", { args: ["netns", "delete", name!], stderr: "null" }).output();
      }
    }
  },
});

import { strict as assert } from "node:assert";
import fc from "fast-check";
import { encodeAddress } from "../../../core/native/ffi.ts";
import { Devices } from "./devices.ts";

const from = (host: string) => encodeAddress({ host, port: 40_000 });

function devices(total: number, perDevice: number, macs: { [host: string]: string } = {}) {
  let now = 0;
  const all = new Devices({
    total: () => total,
    perDevice: () => perDevice,
    macOf: (record) => macs[`192.168.1.${record[7]}`],
    nowMs: () => now,
  });
  return { all, pass: (ms: number) => now += ms };
}

Deno.test("a device has so many connections and no more, by all its addresses, and is named while it is refused", () => {
  const mac = "02:00:00:00:00:01";
  const { all, pass } = devices(100, 5, { "192.168.1.1": mac, "192.168.1.2": mac });
  const taken = Array.from({ length: 5 }, (_, index) => all.admit(from(`192.168.1.${1 + index % 2}`))!);
  assert.ok(taken.every((one) => one));
  assert.deepEqual(all.refused(), []);
  assert.equal(all.admit(from("192.168.1.1")), undefined);
  assert.equal(all.admit(from("192.168.1.2")), undefined);
  assert.ok(all.admit(from("192.168.1.3")), "another device is served");
  assert.deepEqual(all.refused(), [mac]);
  taken[0]!.left();
  assert.ok(all.admit(from("192.168.1.2")));
  pass(61_000);
  assert.deepEqual(all.refused(), []);
});

Deno.test("a device without a MAC address counts by its address, of IPv6 too", () => {
  const { all } = devices(100, 1);
  for (const host of ["192.168.1.9", "fe80::9"]) {
    assert.ok(all.admit(from(host)));
    assert.equal(all.admit(from(host)), undefined);
  }
  assert.deepEqual(all.refused(), ["192.168.1.9", "fe80::9"]);
});

Deno.test("whoever crowds, the total holds, and a device that comes anew finds a place", () => {
  fc.assert(fc.property(
    fc.integer({ min: 4, max: 200 }),
    fc.integer({ min: 1, max: 300 }),
    fc.array(fc.record({ device: fc.nat(20), ends: fc.boolean() }), { maxLength: 600 }),
    (total, perDevice, steps) => {
      const { all } = devices(total, perDevice);
      const open = new Map<number, { left(): void }[]>();
      for (const { device, ends } of steps) {
        const own = open.get(device) ?? [];
        open.set(device, own);
        if (ends) own.pop()?.left();
        else {
          const counted = all.admit(from(`192.168.1.${device}`));
          if (counted) own.push(counted);
        }
        const sum = [...open.values()].reduce((sum, { length }) => sum + length, 0);
        assert.equal(all.open, sum);
        assert.ok(own.length <= perDevice && sum <= total);
      }
      // Twenty-one that crowd leave room as long as the total is worth sharing.
      if (all.open < total) assert.ok(all.admit(from("192.168.1.200")));
    },
  ));
});

Deno.test("two devices that take all they get leave a third of everything to others", () => {
  const { all } = devices(300, 1_000);
  for (let round = 0; round < 1_000; round++) for (const last of [1, 2]) all.admit(from(`192.168.1.${last}`));
  assert.equal(all.open, 200);
});

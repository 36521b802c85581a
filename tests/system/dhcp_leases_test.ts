// What devices were told holds: 250 clients at once, power cuts, a killed server.
import { strict as assert } from "node:assert";
import { parseLeases } from "../../plugins/dhcp-takeover/leases.ts";
import { LeaseFile } from "../../plugins/dhcp-takeover/lease_file.ts";
import { Crowd, macOf } from "../worlds/crowd.ts";
import { Disk } from "../lab/disk.ts";
import { OwnClock } from "../lab/own_clock.ts";
import { eventually, House } from "../worlds/lan.ts";
import { ALONE, LAN } from "../worlds/takeover.ts";

const CUTS = 100;

Deno.test("the disk of these tests keeps what was synced, and drops what was not", async () => {
  const folder = await Deno.makeTempDir({ prefix: "otb" });
  try {
    await using disk = await Disk.make(folder);
    using synced = await Deno.open(`${disk.path}/synced`, { create: true, write: true });
    using dropped = await Deno.open(`${disk.path}/dropped`, { create: true, write: true });
    synced.writeSync(new TextEncoder().encode("kept"));
    synced.syncSync();
    dropped.writeSync(new TextEncoder().encode("lost"));
    const { image } = await disk.cut();
    await disk.open(image, (path) => {
      assert.equal(Deno.readTextFileSync(`${path}/synced`), "kept");
      assert.notEqual(
        [...Deno.readDirSync(path)].some(({ name }) => name === "dropped") &&
          Deno.readTextFileSync(`${path}/dropped`),
        "lost",
      );
    });
    await disk.restart(image);
    assert.equal(Deno.readTextFileSync(`${disk.path}/synced`), "kept");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("100 power cuts under load: every acknowledged lease is there again, none is given twice", async () => {
  const folder = await Deno.makeTempDir({ prefix: "otb" });
  try {
    await using disk = await Disk.make(folder);
    await using house = await House.up(`cut${Deno.pid}`, LAN, { state: `${disk.path}/box` });
    await house.box.otb(["config", "set", ...ALONE]);
    await house.box.up();
    const crowd = await Crowd.up(house, "crowd");
    const macs = Array.from({ length: 150 }, (_, count) => macOf(1, count));
    await crowd.order({ do: "join", macs, rate: 8 });
    await crowd.order({ do: "renew", rate: 60 });
    await eventually("the first lease", () => crowd.acknowledged().size > 0);

    let checked = 0, torn = 0, last = "";
    for (let cut = 0; cut < CUTS; cut++) {
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 150));
      const { image, atMs } = await disk.cut();
      // What was sent before is read by then.
      await new Promise((resolve) => setTimeout(resolve, 100));
      const promised = crowd.acknowledged(atMs);
      await disk.open(image, (path) => {
        const directory = `${path}/box/plugins/dhcp-takeover`;
        const file = new LeaseFile(directory);
        const found = parseLeases(file.read());
        if ([...promised].some(([mac]) => !found.some((lease) => lease.mac === mac))) torn++;
        file.restore();
        const leases = parseLeases(file.read());
        for (const [mac, address] of promised) {
          assert.equal(
            leases.find((lease) => lease.mac === mac)?.address,
            address,
            `${mac} after cut ${cut}`,
          );
          checked++;
        }
        assert.equal(new Set(leases.map(({ address }) => address)).size, leases.length, "no address twice");
        assert.equal(new Set(leases.map(({ mac }) => mac)).size, leases.length, "no device twice");
      });
      if (last) await Deno.remove(last);
      last = image;
    }
    console.log(
      `${CUTS} cuts, ${checked} acknowledged leases looked up, all there; ${torn} cuts found the server's own file without some`,
    );

    // The power stays away: everything is killed, and the box starts from what the last cut left.
    const atMs = Date.now();
    const { image } = await disk.cut();
    await house.kill("box");
    await crowd.order({ do: "renew", rate: 0 });
    await new Promise((resolve) => setTimeout(resolve, 200));
    const promised = crowd.acknowledged(atMs);
    await house.box.gone();
    await disk.restart(image);
    await house.box.up();
    await eventually("everybody has the address of before", async () => {
      const sinceMs = Date.now();
      await crowd.order({ do: "reboot", rate: 100, macs: [...promised.keys()] });
      await new Promise((resolve) => setTimeout(resolve, promised.size * 10 + 1_000));
      const answers = crowd.answers.filter((answer) => answer.atMs >= sinceMs);
      assert.deepEqual(answers.filter(({ type }) => type === "nak"), [], "nobody is refused");
      const again = new Map(answers.map(({ mac, address }) => [mac, address]));
      return again.size === promised.size &&
        [...promised].every(([mac, address]) => again.get(mac) === address);
    });
    await crowd.order({ do: "join", macs: [macOf(2, 1)], rate: 100 });
    const fresh = await eventually(
      "a new device gets an address",
      () => crowd.acknowledged().get(macOf(2, 1)),
    );
    assert.ok(![...promised.values()].includes(fresh), "and nobody else's");
    await house.kill("box");
    await house.box.gone();
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a box that is told the time after years keeps every lease, and doubles none", async () => {
  await using clock = await OwnClock.make(-40 * 365 * 86_400_000);
  await using house = await House.up(`year${Deno.pid}`, LAN);
  await house.box.otb([
    "config",
    "set",
    ...ALONE,
    "dhcp-takeover.pool.from=192.168.100.50",
    "dhcp-takeover.pool.to=192.168.100.69",
  ]);
  await house.box.up({}, clock.by);
  const crowd = await Crowd.up(house, "crowd");
  const macs = Array.from({ length: 10 }, (_, count) => macOf(1, count));
  await crowd.order({ do: "join", macs, rate: 50 });
  await eventually("leases", () => crowd.acknowledged().size === 10);
  const before = crowd.acknowledged();
  clock.offsetMs = 0;
  const soonMs = Date.now() + 3_600_000;
  const leases = await eventually("leases end by the clock of now", async () => {
    const { leases } = await house.box.otb(["dhcp", "leases"]) as {
      leases: { mac: string; address: string; expiresMs: number }[];
    };
    return leases.length === 10 && leases.every(({ expiresMs }) => expiresMs > soonMs) && leases;
  });
  assert.deepEqual(new Map(leases.map(({ mac, address }) => [mac, address])), before);
  await crowd.order({
    do: "join",
    macs: Array.from({ length: 10 }, (_, count) => macOf(2, count)),
    rate: 50,
  });
  await eventually("others get the rest", () => crowd.acknowledged().size === 20);
  assert.equal(new Set(crowd.acknowledged().values()).size, 20, "no address twice");
  const sinceMs = Date.now();
  await crowd.order({ do: "reboot", rate: 50, macs });
  await eventually("everybody has the address of before", () => {
    const again = crowd.answers.filter(({ mac, atMs }) => atMs > sinceMs && macs.includes(mac));
    assert.ok(again.every(({ type, mac, address }) => type === "ack" && address === before.get(mac)));
    return again.length >= 10;
  });
});

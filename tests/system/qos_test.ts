// Links are held to their rates by box and peer, with classes that calls, devices and tests meet.
import { strict as assert } from "node:assert";
import { links } from "../bench/measure.ts";
import { type End, World } from "../worlds/world.ts";

const EXPEDITED = 0xb8;
/** Class numbers, as in the plugin: calls and interactive, on the box and in the peer's groups. */
const CALLS = /^[0-9a-f]*4$/, INTERACTIVE = /^[0-9a-f]*3$/;

/** Bytes that the classes of an interface have sent, those whose number fits. */
async function sent(world: World, role: string, device: string, number: RegExp): Promise<number> {
  const { stdout } = await world.lab.spawn(role, ["tc", "-s", "class", "show", "dev", device], {
    stdout: "piped",
    stderr: "null",
  }).output();
  const classes = new TextDecoder().decode(stdout).matchAll(/^class htb 1:(\S+) .*\n Sent (\d+) bytes/gm);
  return [...classes].filter(([, id]) => number.test(id!)).reduce(
    (sum, [, , bytes]) => sum + Number(bytes),
    0,
  );
}

async function refused(end: End, args: string[], code: string): Promise<void> {
  const { success, stdout } = await end.tryOtb(args);
  assert.equal(success, false);
  assert.equal(JSON.parse(stdout).error.code, code, stdout);
}

interface Rates {
  links?: { link: string; upBitsPerSecond?: number; downBitsPerSecond?: number; downBy: string }[];
}

Deno.test("calls, a device with a priority and a speed test, over links that box and peer hold to their rates", async () => {
  await using world = await World.up(`qos${Deno.pid}`, { links: links("20/8/5", "16/8/10") });
  const { box, cloud, lab } = world;
  const rates = (status: Awaited<ReturnType<End["status"]>>) =>
    (status.plugins.find(({ name }) => name === "qos")!.status as Rates).links ?? [];
  assert.ok(
    rates(await box.until((status) => rates(status).length === 2)).every((rate) =>
      rate.upBitsPerSecond === undefined && rate.downBitsPerSecond === undefined
    ),
    "a rate that nobody knows is not held",
  );

  // Whether somebody calls or not; the call below would have links held as well.
  await box.otb(["config", "set", "qos.hold=always", "--yes"]);

  // A test over one link alone: the other one carries next to nothing meanwhile.
  const before = await lab.counters();
  const found = await box.otb(["link", "test", "cable"]) as {
    downBitsPerSecond: number;
    upBitsPerSecond: number;
  };
  const after = await lab.counters();
  assert.ok(found.downBitsPerSecond > 8e6 && found.downBitsPerSecond < 16.5e6, `${found.downBitsPerSecond}`);
  assert.ok(found.upBitsPerSecond > 4e6 && found.upBitsPerSecond < 8.3e6, `${found.upBitsPerSecond}`);
  const carried = (index: number) => after[index]!.down.bytes - before[index]!.down.bytes;
  assert.ok(
    carried(0) < carried(1) / 10,
    `${carried(0)} bytes over the other link, ${carried(1)} over this one`,
  );
  await refused(box, ["link", "test", "cable"], "test-too-soon");
  await box.otb(["link", "set", "cable", "--tier", "backup", "--yes"]);
  await refused(box, ["link", "test", "cable"], "link-metered");
  await box.otb(["link", "set", "cable", "--tier", "primary", "--yes"]);
  // It begins anew a little below; the peer holds the other direction.
  await box.until((status) => {
    const rate = rates(status).find(({ link }) => link === "cable")!;
    return rate.upBitsPerSecond! < found.upBitsPerSecond &&
      rate.downBitsPerSecond! < found.downBitsPerSecond &&
      rate.downBy === "peer";
  });

  await box.otb(["link", "set", "fibre", "--down-mbps", "18", "--up-mbps", "7", "--yes"]);
  await box.until((status) => rates(status).every(({ downBy }) => downBy === "peer"));
  await cloud.until(({ plugins }) =>
    (plugins.find(({ name }) => name === "qos")!.status as { addresses?: unknown[] }).addresses?.length === 2
  );

  // A marked call is in its class at both ends, and arrives whole under load.
  const loads = [
    world.transfer("device1", { seconds: 8 }),
    world.transfer("device1", { seconds: 8, upload: true }),
  ];
  const flow = { packetsPerSecond: 50, bytes: 172, tos: EXPEDITED };
  const call = await world.datagrams("device1", { up: flow, down: flow, seconds: 6 });
  await Promise.all(loads);
  assert.ok(call.up!.lostShare < 0.02 && call.down!.lostShare < 0.02, JSON.stringify(call));
  const bytes = 6 * flow.packetsPerSecond * flow.bytes;
  const up = await sent(world, "box", "wan1", CALLS) + await sent(world, "box", "wan2", CALLS);
  assert.ok(up > bytes, `${up} of ${bytes} bytes up`);
  const down = await sent(world, "site1", "eth0", CALLS);
  assert.ok(down > bytes, `${down} of ${bytes} bytes down`);

  // Connections of a device that comes first: marked by the box on the way out, and by the peer in its answer.
  const { stdout } = await lab.spawn("device1", ["cat", "/sys/class/net/eth0/address"], { stdout: "piped" })
    .output();
  const mac = new TextDecoder().decode(stdout).trim();
  await box.otb(["config", "set", `qos.devices={"${mac}":"high"}`, "--yes"]);
  await box.until((status) =>
    rates(status).length === 2 && rates(status).every(({ downBy }) => downBy === "peer")
  );
  const interactive = async () => [
    await sent(world, "box", "wan1", INTERACTIVE) + await sent(world, "box", "wan2", INTERACTIVE),
    await sent(world, "site1", "eth0", INTERACTIVE),
  ];
  const [upBefore = 0, downBefore = 0] = await interactive();
  for (const upload of [true, false]) {
    const transfer = await world.transfer("device1", { bytes: 2_000_000, upload });
    assert.equal(transfer.checksumOk, true, transfer.error);
  }
  const [upAfter = 0, downAfter = 0] = await interactive();
  assert.ok(upAfter - upBefore > 1_900_000, `${upAfter - upBefore} bytes up came first`);
  assert.ok(downAfter - downBefore > 1_900_000, `${downAfter - downBefore} bytes down came first`);
});

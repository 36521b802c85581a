// The tunnel under what strains it: new keys all the time, thousands of flows, strangers at its door.
import assert from "node:assert/strict";
import { links } from "../bench/measure.ts";
import { printed, tunnelIsUp, tunnelOf } from "../worlds/tunnel.ts";
import { PEER_ADDRESS, PEER_PORT, World } from "../worlds/world.ts";

Deno.test("new keys under load cost no packet; strangers get no answer and disturb nobody; ten thousand flows pass", async () => {
  await using world = await World.up(`tunnell${Deno.pid}`, { links: links("30/30/10", "30/30/15") });
  await world.box.otb(["config", "set", "udp-tunnel.rekeySeconds=5", "--yes"]);
  await tunnelIsUp(world);
  const keysBefore = Number(tunnelOf(await world.box.status())!.keys);
  const going = world.datagrams("device1", {
    down: { mbps: 20, bytes: 1_200 },
    up: { mbps: 20, bytes: 1_200 },
    seconds: 20,
    skipSeconds: 3,
  });
  going.catch(() => {});
  await new Promise((resolve) => setTimeout(resolve, 8_000));
  const answers = await printed(world.lab, "server", [
    Deno.execPath(),
    "eval",
    "--unstable-net",
    `import { randomBytes } from "node:crypto";
    const socket = Deno.listenDatagram({ transport: "udp", hostname: "0.0.0.0", port: 0 });
    let answers = 0;
    (async () => { for await (const _ of socket) answers++; })().catch(() => {});
    for (let count = 0; count < 6000; count++) {
      const bytes = randomBytes(count % 300);
      if (bytes.length > 0) bytes[0] = count % 6;
      await socket.send(bytes, { transport: "udp", hostname: "${PEER_ADDRESS}", port: ${PEER_PORT} });
      if (count % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 2));
    }
    await new Promise((resolve) => setTimeout(resolve, 500));
    console.log("answers:" + answers);
    Deno.exit(0);`,
  ]);
  assert.match(answers, /answers:0/);
  const flow = await going;
  for (const came of [flow.up!, flow.down!]) {
    assert.ok(came.lostShare < 0.005, `${came.lost} of ${came.sent} lost`);
    assert.equal(came.duplicates + came.damaged, 0);
  }
  const keys = Number(tunnelOf(await world.box.status())!.keys) - keysBefore;
  assert.ok(keys >= 3, `${keys} times new keys`);

  // What paths carry is found out about under new keys as well: more than they carry is offered.
  const full = await world.datagrams("device1", {
    down: { mbps: 60, bytes: 1_200 },
    seconds: 8,
    skipSeconds: 4,
  });
  assert.ok(full.down!.mbps > 45, `${full.down!.mbps} Mbit/s of two links of 30`);
  assert.ok(full.down!.delayMs.p95 < 100, `${full.down!.delayMs.p95} ms: the queue is ours, not the modem's`);

  const many = await world.datagrams("device1", {
    up: { packetsPerSecond: 4_000, bytes: 100 },
    down: { packetsPerSecond: 4_000, bytes: 100 },
    flows: 10_000,
    seconds: 8,
  });
  for (const came of [many.up!, many.down!]) {
    assert.ok(came.lostShare < 0.03, `${came.lost} of ${came.sent} lost`);
    assert.equal(came.damaged, 0);
  }
});

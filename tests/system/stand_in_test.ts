// The tunnel stands in for the proxy: what new TCP does while the peer's proxy is out of order, and when it is back.
import { strict as assert } from "node:assert";
import type { StatusReport } from "../../core/client/mod.ts";
import { RULE_PRIORITY } from "@otb/plugin";
import { links } from "../bench/measure.ts";
import { PEER_ADDRESS, SERVER_ADDRESS, SERVER_PORT, World } from "../worlds/world.ts";

function proxy({ plugins }: StatusReport) {
  return plugins.find(({ name }) => name === "socks-proxy")!;
}

async function output(world: World, role: string, words: string[]): Promise<string> {
  const { stdout } = await world.lab.spawn(role, words, { stdin: "null", stdout: "piped", stderr: "null" })
    .output();
  return new TextDecoder().decode(stdout).trim();
}

/** The address that the server sees a device's new connection come from, or why there is none. */
function whoami(world: World): Promise<string> {
  const url = `http://${SERVER_ADDRESS}:${SERVER_PORT}/whoami`;
  return output(world, "device1", ["sh", "-c", `curl -sSm 5 ${url} 2>&1`]);
}

/** Connections that have gone into the tunnel. */
async function tunnelled(world: World): Promise<number> {
  const words = ["conntrack", "-L", "-p", "tcp", "-m", "0x80000/0x80000", "--state", "ESTABLISHED"];
  return (await output(world, "box", words)).split("\n").filter(Boolean).length;
}

Deno.test("the peer's proxy crashes for good: new TCP goes through the tunnel, and stays there when the proxy is back", async () => {
  await using world = await World.up(`stand${Deno.pid}`, { links: links("20/10/5", "20/10/10") });
  await world.box.until(({ tunnel }) => tunnel?.state === "up");
  assert.equal(await whoami(world), PEER_ADDRESS);
  await world.box.until((status) => proxy(status).status.way === "proxy");
  const held = world.transfer("device1", { bytes: 200_000_000 });
  held.catch(() => {});
  await world.box.until(({ links }) => links.every(({ path }) => (path?.rxBitsPerSecond ?? 0) > 1e6));
  assert.equal(await tunnelled(world), 0, "TCP is in the tunnel though the proxy takes it");

  // As often as the supervisor tries, until it gives up for some minutes.
  const brokenMs = performance.now();
  let killed = 0;
  await world.cloud.until((status) => {
    const { state, pid } = proxy(status);
    if (pid && pid !== killed) Deno.kill(killed = pid, "SIGKILL");
    return state === "failed";
  });
  assert.match(JSON.stringify(await held), /error/);
  await world.box.until((status) => proxy(status).status.way === "tunnel");
  console.log(`the tunnel stood in ${Math.round(performance.now() - brokenMs)} ms after the first crash`);
  const status = await world.box.status();
  assert.ok(status.health.some(({ code }) => code === "tunnel-carries-tcp"));
  assert.equal(await whoami(world), PEER_ADDRESS);
  // The peer is there: nothing of this is a reason to leave past it.
  await world.box.until(({ health }) => health.some(({ code }) => code === "peer-gone"));
  assert.equal(await whoami(world), PEER_ADDRESS);
  const { sentences } = await world.box.otb(["why", `192.168.100.10 -> ${SERVER_ADDRESS}:80/tcp`]) as {
    sentences: string[];
  };
  assert.match(sentences[1]!, /through the tunnel to the peer, as the peer's proxy does not answer/);

  // Until this is over, however long that takes.
  const began: { bytes: number; ended?: string } = { bytes: 0 };
  world.transfer("device1", { onProgress: ({ bytes }) => began.bytes = bytes }).then(
    ({ error }) => began.ended = error ?? "whole",
    (error) => began.ended = String(error),
  );
  while (await tunnelled(world) === 0) await new Promise((resolve) => setTimeout(resolve, 100));
  // The way there is away for a moment, as where the tunnel stops answering: what is lost comes again, a reset would not.
  const rule = ["ip", "rule", "delete", "priority", String(RULE_PRIORITY.tunnel)];
  assert.ok((await world.lab.spawn("box", rule).status).success);
  const resumed = began.bytes + 1e6;
  while (!began.ended && began.bytes < resumed) await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(began.ended, undefined, "what is in the tunnel outlives that");
  await world.cloud.otb(["config", "set", "socks-proxy.sip004.port=8445", "--yes"]);
  const backMs = performance.now();
  await world.box.until((status) => proxy(status).status.way === "proxy");
  console.log(`the proxy took over ${Math.round(performance.now() - backMs)} ms after it was back`);
  assert.equal(await whoami(world), PEER_ADDRESS);
  const inTunnel = await tunnelled(world);
  const goal = began.bytes + 1e6;
  while (!began.ended && began.bytes < goal) await new Promise((resolve) => setTimeout(resolve, 100));
  const said = began.ended ? await world.box.read(["logs", "--lines", "15"]) : "";
  assert.equal(began.ended, undefined, `what began in the tunnel goes on\n${said}`);
  assert.equal(inTunnel, 1, "what began in the tunnel is there, and nothing else");
  assert.ok(!(await world.box.status()).health.some(({ code }) => code === "tunnel-carries-tcp"));
});

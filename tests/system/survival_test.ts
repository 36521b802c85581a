// What dies, hangs or leaks must not cost a connection: plugins, and the core itself.
import { strict as assert } from "node:assert";
import { links } from "../bench/measure.ts";
import { SERVER_ADDRESS, SERVER_PORT, type Transfer, World } from "../worlds/world.ts";

Deno.test("core killed with -9 under a download: the stream goes on, the next core takes everything over", async () => {
  await using world = await World.up(`core${Deno.pid}`, { links: links("20/10/5", "10/10/15") });
  const before = await world.box.status();
  const running = world.transfer("device1", { bytes: 20_000_000 });
  await world.box.until(({ links }) => links.some(({ path }) => (path?.rxBitsPerSecond ?? 0) > 1e6));
  Deno.kill(before.pid, "SIGKILL");
  await world.box.process!.status;
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  await world.box.up();
  const after = await world.box.status();
  assert.notEqual(after.pid, before.pid);
  assert.deepEqual(
    after.plugins.map(({ name, pid }) => [name, pid]),
    before.plugins.map(({ name, pid }) => [name, pid]),
  );
  const result = await running;
  assert.equal(result.checksumOk, true, result.error);
  assert.equal((await world.transfer("device1", { bytes: 1_000_000 })).checksumOk, true);
});

Deno.test("scheduler killed under a download: the stream goes on; proxy killed: a reset, and new connections work; peer stopped: what flows ends first", async () => {
  await using world = await World.up(`plug${Deno.pid}`, { links: links("20/10/5", "10/10/15") });
  const pid = async (plugin: string) =>
    (await world.box.status()).plugins.find(({ name }) => name === plugin)!.pid!;
  const running = world.transfer("device1", { bytes: 15_000_000 });
  await world.box.until(({ links }) => links.some(({ path }) => (path?.rxBitsPerSecond ?? 0) > 1e6));
  const scheduler = await pid("mptcp-scheduler");
  Deno.kill(scheduler, "SIGKILL");
  const first = await running;
  assert.equal(first.checksumOk, true, first.error);
  await world.box.until(({ plugins }) =>
    plugins.every(({ state, pid }) => state === "ready" && pid !== scheduler)
  );
  const proxy = await pid("socks-proxy");
  const cut = await flowing(world, 1e9);
  Deno.kill(proxy, "SIGKILL");
  assert.match((await cut.result).error!, /reset/i, "what was cut must not look whole");
  await world.box.until(({ plugins }) =>
    plugins.every(({ state, pid }) => state === "ready" && pid !== proxy)
  );
  const result = await world.transfer("device1", { bytes: 1_000_000 });
  assert.equal(result.checksumOk, true, result.error);

  const ending = await flowing(world, 8_000_000);
  const stopping = world.cloud.down();
  const whole = await ending.result;
  assert.equal(whole.checksumOk, true, whole.error);
  await stopping;
});

Deno.test("the table that decides about connections is replaced two hundred times under a download: none is refused", async () => {
  await using world = await World.up(`swap${Deno.pid}`, { links: links("50/20/2", "50/20/4") });
  const download = await flowing(world, 1e9);
  let ended: string | undefined;
  void download.result.then(({ error }) => ended = error ?? "whole");
  // As whenever a link comes or goes: one transaction, with packets in the middle of the old table.
  const table = "table inet otb_device_pinning";
  const replace =
    `swap=$(nft list ${table}) && for i in $(seq 200); do echo "delete ${table}; $swap" | nft -f - || exit; done`;
  const { success } = await world.lab.spawn("box", ["sh", "-c", replace], { stdin: "null" }).status;
  assert.ok(success);
  assert.equal(ended, undefined);
});

/** A download whose first bytes have come. */
async function flowing(world: World, bytes: number): Promise<{ result: Promise<Transfer> }> {
  const { promise: began, resolve } = Promise.withResolvers<void>();
  const result = world.transfer("device1", { bytes, onProgress: ({ bytes }) => bytes > 0 && resolve() });
  await began;
  return { result };
}

Deno.test("a plugin that hangs is ended and started again; a device that crowds is refused the excess and named", async () => {
  await using world = await World.up(`hang${Deno.pid}`, { links: links("20/10/5") });
  const { pid } = (await world.box.status()).plugins.find(({ name }) => name === "mptcp-scheduler")!;
  Deno.kill(pid!, "SIGSTOP");
  const status = await world.box.until(({ plugins }) =>
    plugins.some(({ name, restarts, state }) =>
      name === "mptcp-scheduler" && restarts === 1 && state === "ready"
    )
  );
  assert.notEqual(status.plugins.find(({ name }) => name === "mptcp-scheduler")!.pid, pid);

  // In the same world: a device that crowds. Settings change while a transfer runs, which goes on.
  const before = await world.box.status();
  const going = await flowing(world, 10_000_000);
  await world.box.otb([
    ...["config", "set", "--yes", "socks-proxy.connectionsPerDevice=20"],
    `socks-proxy.intercept.exclude=["${SERVER_ADDRESS}/32"]`,
    ...["udp-tunnel.rekeySeconds=60", "qos.delayThresholdMs=30"],
  ]);
  await world.box.otb(["config", "set", "--yes", "socks-proxy.intercept.exclude=null"]);
  assert.equal((await going.result).checksumOk, true, "other settings must reset nothing");
  const after = await world.box.status();
  for (const name of ["socks-proxy", "udp-tunnel", "qos"]) {
    const pids = [before, after].map(({ plugins }) => plugins.find((one) => one.name === name)!.pid);
    assert.equal(pids[0], pids[1], `${name} took them while it ran`);
  }
  assert.equal(after.tunnel?.session, before.tunnel?.session);
  const crowd = world.lab.spawn("device1", [
    Deno.execPath(),
    "eval",
    `const all = await Promise.allSettled(Array.from({ length: 50 }, async () => {
       const one = await Deno.connect({ hostname: "${SERVER_ADDRESS}", port: ${SERVER_PORT} });
       await Promise.race([one.read(new Uint8Array(1)), new Promise((resolve) => setTimeout(resolve, 5000))]);
     }));
     console.log(all.filter(({ status }) => status === "rejected").length);
     Deno.exit();`,
  ], { stdin: "null", stdout: "piped", stderr: "null" }).output();
  const { health } = await world.box.until(({ health }) =>
    health.some(({ code }) => code === "device-connections")
  );
  assert.match(
    health.find(({ code }) => code === "device-connections")!.message,
    /Refused what is too much of \S+: a device has 20 TCP/,
  );
  assert.equal(new TextDecoder().decode((await crowd).stdout).trim(), "30");
  assert.equal((await world.transfer("device1", { bytes: 100_000 })).checksumOk, true);
});

Deno.test("a second otb up is refused, and down without a core cleans up what a killed one left", async () => {
  await using world = await World.up(`twice${Deno.pid}`, { links: links("20/10/5") });
  const second = await world.box.tryOtb(["up"]);
  assert.equal(second.success, false);
  assert.match(second.stdout + second.stderr, /already-running/);
  const { pid, plugins } = await world.box.status();
  Deno.kill(pid, "SIGKILL");
  await world.box.process!.status;
  await world.box.otb(["down"]);
  for (const plugin of plugins) {
    assert.throws(() => Deno.statSync(`/proc/${plugin.pid}/exe`), `${plugin.name} lives on`);
  }
  const rules = await world.lab.spawn("box", ["nft", "list", "ruleset"], {
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).output();
  assert.equal(new TextDecoder().decode(rules.stdout), "");
  await world.box.otb(["down"]);
});

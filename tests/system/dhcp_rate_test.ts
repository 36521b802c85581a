// How many devices a second ours gives addresses to, and how soon again after a kill.
import { strict as assert } from "node:assert";
import { Crowd, macOf } from "../worlds/crowd.ts";
import { eventually, House, pidOf } from "../worlds/lan.ts";
import { ALONE, LAN } from "../worlds/takeover.ts";

Deno.test("250 clients at 100 a second: none is lost or asks twice; none doubled", async () => {
  // dnsmasq keeps no book of what it offers, and gives nobody x.x.x.0 and x.x.x.255 of 192.168.0.0/16: whose turn they would be are
  // offered the next address, as is the device whose turn that is. Asked within a millisecond, it tells all but the first no (DHCPNAK,
  // RFC 2131, 3.1.5); a device begins anew then, perfdhcp does not. In 10.0.0.0/8 these clients have an address each.
  await using house = await House.up(`many${Deno.pid}`, "10.77.0.1/23");
  await house.box.otb([
    "config",
    "set",
    ...ALONE,
    "dhcp-takeover.pool.from=10.77.0.50",
    "dhcp-takeover.pool.to=10.77.1.250",
  ]);
  await house.box.up();
  await house.box.until(({ plugins }) => plugins.some(({ status }) => status.serving === "confirmed"));
  await house.station("crowd", "10.77.0.2/23");
  // What others tell in their first seconds starts the server anew; a device would ask twice, perfdhcp asks once.
  let server = NaN, sinceMs = 0;
  await eventually("the server stays", async () => {
    const pid = await pidOf(house, "dnsmasq");
    if (pid !== server) [server, sinceMs] = [pid, performance.now()];
    return server > 0 && performance.now() - sinceMs > 10_000;
  });
  const { text } = await house.run("crowd", [
    ...["perfdhcp", "-4", "-r", "100", "-n", "250", "-R", "250", "-W", "5000000", "-d", "5", "-l", "eth0"],
    ...["-B", "10.77.0.1"],
  ]);
  const counts = (name: string) =>
    [...text.matchAll(new RegExp(`${name}: (\\d+)`, "g"))].map(([, count]) => Number(count));
  assert.deepEqual(counts("received packets"), [250, 250], text);
  assert.deepEqual(counts("drops"), [0, 0], text);
  const delays = [...text.matchAll(/avg delay: (\S+) ms[^]*?max delay: (\S+) ms/g)];
  console.log(
    `OFFER and ACK after ${
      delays.map(([, average, most]) => `${average} ms (at most ${most})`).join(" and ")
    }`,
  );
  const { leases } = await house.box.otb(["dhcp", "leases"]) as {
    leases: { address: string; mac: string }[];
  };
  assert.equal(leases.length, 250);
  assert.equal(new Set(leases.map(({ address }) => address)).size, 250);
  assert.equal(new Set(leases.map(({ mac }) => mac)).size, 250);
});

Deno.test("a killed DHCP server answers again within 5 s, and a killed plugin is not missed; leases stay", async () => {
  await using house = await House.up(`kill${Deno.pid}`, LAN);
  await house.box.otb(["config", "set", ...ALONE]);
  await house.box.up();
  const crowd = await Crowd.up(house, "crowd");
  await crowd.order({ do: "join", macs: [macOf(1, 1)], rate: 100 });
  const address = await eventually("a lease", () => crowd.acknowledged().get(macOf(1, 1)));
  const pluginPid = async () =>
    (await house.box.status()).plugins.find(({ name }) => name === "dhcp-takeover")!.pid!;
  const server = () => pidOf(house, "dnsmasq");
  for (const victim of [server, pluginPid]) {
    const former = await server();
    const killedMs = performance.timeOrigin + performance.now();
    Deno.kill(await victim(), "SIGKILL");
    const answer = await eventually("an answer", async () => {
      await crowd.order({ do: "reboot", rate: 100 });
      await new Promise((resolve) => setTimeout(resolve, 100));
      return crowd.answers.find(({ atMs }) => atMs > killedMs + 50);
    }, 15_000);
    console.log(`answers again after ${Math.round(answer.atMs - killedMs)} ms`);
    assert.ok(answer.atMs - killedMs < (victim === server ? 5_000 : 1_500), `${answer.atMs - killedMs} ms`);
    assert.equal(await server() === former, victim !== server);
    assert.deepEqual([answer.type, answer.address], ["ack", address]);
  }
  await house.box.until(({ health }) => !health.some(({ code }) => code === "dhcp-server-fails"));
});

// The LAN's DHCP taken over from a modem, and rivals: between real servers and real clients.
import { strict as assert } from "node:assert";
import { Crowd, macOf } from "../crowd.ts";
import { eventually, House } from "../lan.ts";
import { dhcp, LAN, SHORT, until } from "../takeover.ts";

Deno.test("a takeover: instructions, silence, trial, confirmation; devices with leases of the modem keep their addresses", async () => {
  await using house = await House.up(`take${Deno.pid}`, LAN);
  await house.modem("modem", "192.168.1");
  await house.serve("modem", "dnsmasq", "192.168.1", 120);
  await house.device("old", "udhcpc");
  const kept = await house.address("old", /^192\.168\.1\./);
  await house.box.otb(["config", "set", ...SHORT]);
  await house.box.up();

  await house.box.otb(["dhcp", "takeover"]);
  const waiting = await until(house, "instructions");
  assert.deepEqual(waiting.servers.map(({ server }) => server), ["192.168.1.1"]);
  assert.equal(waiting.serving, "no");
  await house.silence("modem");
  const trial = await until(house, "trial");
  assert.equal(trial.serving, "trial");
  await house.device("new", "dhclient");
  await house.address("new", /^192\.168\.100\./);
  assert.equal((await house.seen("new")).router, "192.168.100.1");
  await house.box.otb(["dhcp", "confirm"]);
  await until(house, "confirmed");
  assert.deepEqual((await house.seen("old")).addresses, [kept]);
});

Deno.test("another server sends back to the instructions while checking, and silences ours afterwards, until it is gone", async () => {
  await using house = await House.up(`rival${Deno.pid}`, LAN);
  await house.modem("modem", "192.168.1");
  await house.modem("rogue", "192.168.100", 9);
  await house.box.otb(["config", "set", "dhcp-takeover.silenceSeconds=9", "dhcp-takeover.watchSeconds=5"]);
  await house.box.up();
  await house.box.otb(["dhcp", "takeover"]);
  await until(house, "checking");
  await house.serve("modem", "udhcpd", "192.168.1");
  assert.equal((await until(house, "instructions")).serving, "no");
  await house.silence("modem");
  await until(house, "trial");
  await house.box.otb(["dhcp", "confirm"]);

  await house.serve("rogue", "dhcpd", "192.168.100", 120, 9);
  const contested = await until(house, "contested");
  assert.equal(contested.serving, "no");
  const { health } = await house.box.status();
  assert.match(health.find(({ code }) => code === "dhcp-contested")!.message, /192\.168\.100\.9/);
  const crowd = await Crowd.up(house, "crowd");
  await crowd.order({ do: "join", macs: [1, 2, 3, 4, 5].map((count) => macOf(1, count)), rate: 5 });
  await eventually("the other server answers", () => crowd.acknowledged().size === 5);
  assert.deepEqual(
    new Set(crowd.answers.map(({ server }) => server)),
    new Set(["192.168.100.9"]),
    "ours is silent",
  );
  assert.equal((await dhcp(house)).phase, "contested");

  await house.silence("rogue");
  assert.equal((await until(house, "confirmed")).serving, "confirmed");
  const before = crowd.acknowledged();
  const sinceMs = Date.now();
  await crowd.order({ do: "reboot", rate: 20 });
  await eventually("ours answers, with the same addresses", () => {
    const after = crowd.answers.filter(({ atMs, server }) => atMs > sinceMs && server === "192.168.100.1");
    return after.length === 5 &&
      after.every(({ type, mac, address }) => type === "ack" && before.get(mac) === address);
  });
});

// The LAN's DHCP taken over from a modem and given back, between real servers and real clients.
import { strict as assert } from "node:assert";
import { eventually, House } from "../lan.ts";

interface DhcpStatus {
  phase: string;
  serving: string;
  servers: { server: string; isAnswering: boolean }[];
  instructions: { title: string }[];
}

async function dhcp(house: House): Promise<DhcpStatus> {
  const { plugins } = await house.box.status();
  return plugins.find(({ name }) => name === "dhcp-takeover")!.status as unknown as DhcpStatus;
}

function until(house: House, phase: string, boundMs = 60_000): Promise<DhcpStatus> {
  let last: unknown;
  return eventually(`the phase ${phase}`, async () => {
    const status = await dhcp(house);
    last = status;
    return status.phase === phase && status;
  }, boundMs).catch((error) => {
    throw new Error(`${error.message}; last seen ${Deno.inspect(last, { depth: 4 })}`);
  });
}

const SHORT = ["dhcp-takeover.silenceSeconds=6"];

Deno.test("a takeover: instructions, silence, trial, confirmation; devices with leases of the modem keep their addresses", async () => {
  await using house = await House.up(`take${Deno.pid}`, "192.168.100.1/24");
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

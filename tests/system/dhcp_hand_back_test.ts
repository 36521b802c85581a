// The LAN's DHCP given back to a modem, in every way that it can be.
import { strict as assert } from "node:assert";
import { type ClientKind, eventually, House, INTERNET } from "../worlds/lan.ts";
import { LAN, SHORT, until } from "../worlds/takeover.ts";

/** dnsmasq knows no shorter lease. */
const SHORT_LEASE_MS = 120_000;

async function reachesInternet(house: House, device: string): Promise<boolean> {
  return (await house.run(device, ["ping", "-c1", "-W1", INTERNET])).success;
}

/** Which way a takeover ends, with which device watching. */
const ENDS: { how: "undo" | "unconfirmed" | "killed"; client: ClientKind }[] = [
  { how: "undo", client: "udhcpc" },
  { how: "unconfirmed", client: "dhclient" },
  { how: "killed", client: "dhcpcd" },
];

Deno.test("undone, unconfirmed or with a killed box: devices reach the Internet by the modem within one short lease", async () => {
  const turns = await Promise.all(ENDS.map(async ({ how, client }) => {
    await using house = await House.up(`${how.slice(0, 4)}${Deno.pid}`, LAN);
    await house.modem("modem", "192.168.1");
    await house.serve("modem", "dnsmasq", "192.168.1", 120);
    const confirm = how === "unconfirmed" ? ["dhcp-takeover.confirmSeconds=20"] : [];
    await house.box.otb(["config", "set", ...SHORT, ...confirm]);
    await house.box.up();
    await house.box.otb(["dhcp", "takeover"]);
    await until(house, "instructions");
    await house.silence("modem");
    await until(house, "trial");
    await house.device("device", client);
    await house.address("device", /^192\.168\.100\./);
    await house.router("device", "192.168.100.1");

    if (how === "undo") await house.box.otb(["dhcp", "undo"]);
    if (how === "killed") {
      await house.kill("box");
      await house.box.gone();
      // Nobody else could give addresses then: a person switches the modem's server on again.
      await house.serve("modem", "dnsmasq", "192.168.1", 120);
    } else await until(house, "given-back");
    const sinceMs = performance.now();
    await eventually(
      `${client} reaches the Internet by the modem, and not by the box, after: ${how}`,
      async () => {
        const { addresses, router } = await house.seen("device");
        return router === "192.168.1.1" && /^192\.168\.1\./.test(addresses[0] ?? "") &&
          await reachesInternet(house, "device");
      },
      SHORT_LEASE_MS + 20_000,
    );
    const tookMs = performance.now() - sinceMs;
    if (how !== "killed") {
      await house.serve("modem", "udhcpd", "192.168.1", 120);
      await until(house, "off");
    }
    return { how, client, tookMs };
  }));
  for (const { how, client, tookMs } of turns) {
    console.log(`${how}: ${client} reaches the Internet by the modem after ${Math.round(tookMs / 1000)} s`);
    assert.ok(tookMs < SHORT_LEASE_MS + 10_000, `${client} within one short lease and a moment to ask`);
  }
});

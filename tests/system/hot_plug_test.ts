// What comes and goes while the box runs: a phone that shares its link over USB, and a modem that restarts.
import { strict as assert } from "node:assert";
import type { Link } from "@otb/plugin";
import { among, gateways, leavesBy } from "../worlds/modems.ts";
import type { World } from "../worlds/world.ts";

/** Shares the second modem's link over a device that was not there before: down at first, as a driver leaves it. */
async function plugPhone({ lab }: World): Promise<void> {
  const modem = lab.namespace("modem2");
  const lines = [
    `link add usb0 netns ${lab.namespace("box")} type veth peer name usb netns ${modem}`,
    `-n ${modem} link set usb master lan up`,
  ];
  for (const line of lines) {
    const { success, stderr } = await new Deno.Command("ip", { args: line.split(" ") }).output();
    assert.ok(success, `${line}: ${new TextDecoder().decode(stderr)}`);
  }
}

Deno.test("a phone plugged in while the box runs is a link, pulled it is none, and plugged in again it is the same", async () => {
  await using world = await among("phone", [
    { dhcp: "dnsmasq", address: "192.168.1.1/24" },
    { dhcp: "udhcpd", address: "192.168.42.129/24", unplugged: true },
  ]);
  const { lab, box } = world;
  await box.until(({ links }) => gateways(links).length === 1);
  const isUp = (link: Link) => link.interface === "usb0" && link.observed.state === "up";
  const plugged = async () => {
    await plugPhone(world);
    const phone = (await box.until(({ links }) => links.some(isUp))).links.find(isUp)!;
    await leavesBy(world, phone, 2);
    return phone;
  };
  const { name } = await plugged();
  const pulled = await lab.spawn("box", ["ip", "link", "delete", "usb0"], { stdin: "null" }).status;
  assert.ok(pulled.success);
  await box.until(({ links }) => `${gateways(links)}` === "192.168.1.1");
  assert.equal((await plugged()).name, name);
  assert.deepEqual(gateways((await box.status()).links), ["192.168.1.1", "192.168.42.129"]);
});

Deno.test("a modem that restarts is the same link again, though it passes frames long before it serves", async () => {
  await using world = await among("restarts", [
    { dhcp: "dnsmasq", address: "192.168.1.1/24" },
    { dhcp: "udhcpd", address: "192.168.2.1/24" },
  ]);
  const { lab, box } = world;
  const names = ({ links }: { links: Link[] }) => links.map(({ name }) => name).sort();
  const isUp = ({ observed }: Link) => observed.gateway === "192.168.1.1" && observed.state === "up";
  const before = await box.until(({ links }) => gateways(links).length === 2);
  const { name } = before.links.find(isUp)!;

  await lab.dhcp("fibre", undefined);
  await lab.plug("fibre", false);
  await box.until(({ links }) => !links.some(isUp));
  await lab.plug("fibre");
  // Until long after the box has asked for the first time.
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  await lab.dhcp("fibre", "dnsmasq");
  const served = await box.until(({ links, plugins }) => {
    const { modems } = plugins.find((one) => one.name === "wan-discovery")!.status as {
      modems: { name: string; state: string }[];
    };
    return links.some(isUp) && modems.some((modem) => modem.name === name && modem.state === "lease");
  });
  await leavesBy(world, served.links.find(isUp)!, 1);
  assert.deepEqual(names(served), names(before));
  assert.equal(served.links.find(isUp)!.name, name);
});

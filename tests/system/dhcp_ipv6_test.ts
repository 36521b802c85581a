// IPv6 on the LAN: announced only when verified, taken back at once, and a modem that announces itself beside it.
import { strict as assert } from "node:assert";
import { Outsider } from "../worlds/outsider.ts";
import { eventually, House } from "../worlds/lan.ts";

const PREFIX = { prefix: "2001:db8:64:1::/64", resolvers: [], verified: true };

/** What a device made of all announcements: its kernel is the judge. */
async function ipv6(house: House, role: string) {
  const [addresses, routes] = await Promise.all([
    house.run(role, ["ip", "-6", "-o", "address", "show", "dev", "eth0", "scope", "global"]),
    house.run(role, ["ip", "-6", "route", "show", "default"]),
  ]);
  return {
    /** Addresses that new connections are made from. */
    addresses: [...addresses.text.matchAll(/inet6 (\S+)\/64 (?!.*deprecated)/g)].map(([, address]) =>
      address!
    ),
    lifetimes: [...addresses.text.matchAll(/valid_lft (\d+)sec/g)].map(([, seconds]) => Number(seconds)),
    routers: [...routes.text.matchAll(/via (\S+) .*?expires (\d+)sec.*?pref (\w+)/g)]
      .map(([, router, seconds, preference]) => ({ router, seconds: Number(seconds), preference })),
  };
}

async function linkLocal(house: House, role: string, device: string): Promise<string> {
  const { text } = await house.run(role, [
    "ip",
    "-6",
    "-o",
    "address",
    "show",
    "dev",
    device,
    "scope",
    "link",
  ]);
  return /inet6 (\S+)\//.exec(text)![1]!;
}

Deno.test("IPv6 is announced when the prefix is verified and ours serves, leads before a modem's own, and is taken back at once", async () => {
  await using house = await House.up(`six${Deno.pid}`, "192.168.100.1/24", {
    ipv6: true,
    told: ["lan-prefix"],
  });
  await house.box.otb(["config", "set", "dhcp-takeover.silenceSeconds=3", "dhcp-takeover.mode=on"]);
  await house.device("phone", "udhcpc");
  // A plugin of somebody else, who edited no file of this tree.
  await using outsider = await Outsider.make("uptime-watch");
  await house.box.otb(["plugin", "add", outsider.folder]);
  await house.box.up();
  await outsider.runs(house.box);
  const box = await linkLocal(house, "box", "lan0");
  // This box has a tree of its own: a plugin that is made while it runs does not run, which is told.
  await house.box.otb(["plugin", "new", "late-one"]);
  await house.box.until(({ health, plugins }) =>
    health.some(({ code, message }) =>
      code === "plugins-changed" && message.endsWith("late-one came; uptime-watch went")
    ) &&
    plugins.every(({ name }) => name !== "late-one")
  );

  await house.address("phone", /^192\.168\.100\./);
  await house.tell("lan-prefix", { ...PREFIX, verified: false });
  await new Promise((resolve) => setTimeout(resolve, 5_000));
  assert.deepEqual((await ipv6(house, "phone")).routers, [], "never a prefix that is not verified");

  await house.tell("lan-prefix", PREFIX);
  const announced = await eventually("the phone takes the prefix", async () => {
    const seen = await ipv6(house, "phone");
    return seen.addresses.length > 0 && seen.routers.length > 0 && seen;
  });
  assert.match(announced.addresses[0]!, /^2001:db8:64:1:/);
  assert.equal(announced.routers[0]!.router, box);
  assert.ok(announced.routers[0]!.seconds <= 90, "a dead box is left soon");
  assert.ok(announced.lifetimes.every((seconds) => seconds <= 300));
  assert.equal((await house.run("phone", ["ping", "-6", "-c1", "-W3", "2001:db8:64:1::1"])).success, true);

  // A modem that announces itself: told of, and only second best.
  await house.modem("modem", "192.168.1");
  await house.announce("modem", "2001:db8:bad:1::1/64");
  const modem = await linkLocal(house, "modem", "eth0");
  const both = await eventually("the phone hears the modem too", async () => {
    const { routers } = await ipv6(house, "phone");
    return routers.length === 2 && routers;
  });
  assert.deepEqual(
    Object.fromEntries(both.map(({ router, preference }) => [router, preference])),
    { [box]: "high", [modem]: "medium" },
  );
  const way = await house.run("phone", ["ip", "-6", "route", "get", "2001:db8:ffff::1"]);
  assert.match(way.text, new RegExp(`via ${box}`), "what leaves, leaves by the box");
  const told = await house.box.until(({ health }) => health.some(({ code }) => code === "ipv6-leak"));
  assert.match(told.health.find(({ code }) => code === "ipv6-leak")!.message, new RegExp(modem));
  const { instructions } = await house.box.otb(["dhcp", "status"]) as {
    instructions: { title: string; en: string[] }[];
  };
  assert.match(instructions[0]!.title, /IPv6/);
  assert.equal(
    (await house.run("box", ["ip", "-6", "route", "show", "default"])).text,
    "",
    "the box follows nobody",
  );

  // Taken back: no router at once, and an address that nothing new leaves from.
  await house.tell("lan-prefix", undefined);
  const after = await eventually("the phone leaves the prefix", async () => {
    const seen = await ipv6(house, "phone");
    return seen.routers.every(({ router }) => router !== box) &&
      seen.addresses.every((address) => !address.startsWith("2001:db8:64:1:")) && seen;
  }, 10_000);
  assert.ok(after.lifetimes.every((seconds) => seconds <= 300 || after.addresses.length > 0));

  // Another prefix, and the box goes in order: its devices are not left with it.
  await house.tell("lan-prefix", { ...PREFIX, prefix: "2001:db8:64:2::/64" });
  await eventually("the phone takes the new prefix", async () => {
    const { addresses, routers } = await ipv6(house, "phone");
    return routers.some(({ router }) => router === box) &&
      addresses.some((address) => address.startsWith("2001:db8:64:2:"));
  });
  await house.box.down();
  const { addresses, routers } = await ipv6(house, "phone");
  assert.ok(routers.every(({ router }) => router !== box), JSON.stringify(routers));
  assert.ok(addresses.every((address) => !address.startsWith("2001:db8:64:")), JSON.stringify(addresses));
  const left = await house.run("box", [
    "ip",
    "-6",
    "-o",
    "address",
    "show",
    "dev",
    "lan0",
    "scope",
    "global",
  ]);
  assert.equal(left.text, "", "nothing is left in the kernel");
});

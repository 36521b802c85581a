// Devices that do harm, or have what is not theirs: refused addresses, occupied ones, thousands of devices, names of any kind.
import { strict as assert } from "node:assert";
import { Crowd, macOf } from "../worlds/crowd.ts";
import { eventually, House } from "../worlds/lan.ts";
import { ALONE, dhcp, LAN } from "../worlds/takeover.ts";

const SMALL_POOL = ["dhcp-takeover.pool.from=192.168.100.50", "dhcp-takeover.pool.to=192.168.100.69"];
const many = (kind: number, count: number) => Array.from({ length: count }, (_, index) => macOf(kind, index));

async function serving(house: House): Promise<void> {
  await eventually("ours serves", async () => (await dhcp(house)).serving === "confirmed");
}

Deno.test("an occupied address is never leased, and one that a device refused rests; the rest of the pool is given", async () => {
  await using house = await House.up(`held${Deno.pid}`, LAN);
  await house.box.otb(["config", "set", ...ALONE, ...SMALL_POOL]);
  for (const host of [52, 57, 69]) await house.station(`static${host}`, `192.168.100.${host}/24`);
  await house.box.up();
  await serving(house);
  const crowd = await Crowd.up(house, "crowd");
  const refusing = macOf(1, 0);
  await crowd.order({ do: "join", macs: [refusing], rate: 10 });
  const refused = await eventually("a lease", () => crowd.acknowledged().get(refusing));
  await crowd.order({ do: "decline", mac: refusing });
  // The configuration follows a refusal within 10 s.
  await new Promise((resolve) => setTimeout(resolve, 11_000));
  await crowd.order({ do: "join", macs: many(2, 30), rate: 20 });
  const free = 20 - 3 - 1;
  await eventually("all others are given", () => crowd.acknowledged().size === free + 1);
  await new Promise((resolve) => setTimeout(resolve, 5_000));
  const given = [...crowd.acknowledged()].filter(([mac]) => mac !== refusing).map(([, address]) => address);
  assert.equal(new Set(given).size, free, "as many as there are, each once");
  for (const taken of ["192.168.100.52", "192.168.100.57", "192.168.100.69", refused]) {
    assert.ok(!given.includes(taken), `${taken} is not given`);
  }
  const { health } = await house.box.status();
  assert.ok(health.some(({ code }) => code === "dhcp-pool-full"));
});

/** What a device may call itself. */
const NAMES = [
  "$(touch /tmp/otb-hostile)",
  "`reboot`",
  "<script>alert(1)</script>",
  "a\nserver=/evil/1.2.3.4",
  "../../etc/passwd",
  "x;y|z&",
  "\u001b[31mred",
  "wpad",
  "otb",
  "localhost",
  "-",
  "a".repeat(63),
  "phone",
  "phone",
];
/** Options that are none: a length beyond the end, an endless name, a client identifier of line ends, nested FQDN, overload. */
const OPTIONS = [
  "37ff01",
  "51" + "ff" + "41".repeat(255),
  "3d08" + "0a20".repeat(4),
  "51040000" + "c000",
  "340103",
  "00".repeat(200),
];

Deno.test("three thousand invented devices with hostile names and options: bounded, survived, and harmless to look at", async () => {
  await using house = await House.up(`flood${Deno.pid}`, LAN);
  await house.box.otb(["config", "set", ...ALONE]);
  await house.box.up();
  await serving(house);
  const crowd = await Crowd.up(house, "crowd");
  const honest = macOf(1, 0);
  await crowd.order({ do: "join", macs: [honest], rate: 10, hostName: "honest" });
  const address = await eventually("a lease", () => crowd.acknowledged().get(honest));

  for (const [count, hostName] of NAMES.entries()) {
    await crowd.order({ do: "join", macs: [macOf(3, count)], rate: 10, hostName, tries: 1 });
  }
  for (const [count, raw] of OPTIONS.entries()) {
    await crowd.order({ do: "join", macs: many(4 + count, 5), rate: 50, raw, tries: 1 });
  }
  await eventually(
    "hostile devices are served like any",
    () => NAMES.every((_, count) => crowd.acknowledged().has(macOf(3, count))),
  );
  const sinceMs = performance.now();
  await crowd.order({ do: "join", macs: many(20, 3_000), rate: 400, tries: 0 });
  await new Promise((resolve) => setTimeout(resolve, 9_000));

  const renewMs = Date.now();
  await crowd.order({ do: "reboot", rate: 10, macs: [honest] });
  const answer = await eventually(
    "the honest device is answered",
    () => crowd.answers.find(({ mac, atMs }) => mac === honest && atMs > renewMs),
    5_000,
  );
  assert.deepEqual([answer.type, answer.address], ["ack", address]);
  await house.box.until(({ health }) => health.some(({ code }) => code === "dhcp-pool-full"));
  const { plugins } = await house.box.status();
  const plugin = plugins.find(({ name }) => name === "dhcp-takeover")!;
  assert.equal(plugin.state, "ready");
  assert.equal(plugin.restarts, 0);
  const { text } = await house.run("box", [
    ...[
      "sh",
      "-c",
      `for p in $(ip netns pids ${
        house.space("box")
      }); do echo $(cat /proc/$p/comm) $(grep VmRSS /proc/$p/status); done`,
    ],
  ]);
  const processes = [...text.matchAll(/^(\S+) VmRSS: (\d+) kB$/gm)].map(([, name, kilobytes]) => ({
    name: name!,
    kilobytes: Number(kilobytes),
  }));
  assert.deepEqual(
    [...new Set(processes.map(({ name }) => name))].filter((name) =>
      !["otb", "deno", "dnsmasq", "timeout", "sh", "cat", "ip"].includes(name)
    ),
    [],
    "no program that was not there",
  );
  const server = processes.find(({ name }) => name === "dnsmasq")!;
  assert.ok(server.kilobytes < 32 * 1024, `${server.kilobytes} kB`);
  console.log(
    `3,000 invented devices in ${
      Math.round((performance.now() - sinceMs) / 1000)
    } s: dnsmasq ${server.kilobytes} kB, plugin ${
      Math.round((plugin.memoryBytes ?? 0) / 2 ** 20)
    } MB, ${crowd.acknowledged().size} leases`,
  );
  assert.ok(crowd.acknowledged().size <= 200, "no more than the pool has");

  const { leases } = await house.box.otb(["dhcp", "leases"]) as { leases: { mac: string; name: string }[] };
  const names = new Map(leases.map(({ mac, name }) => [mac, name]));
  for (const name of names.values()) assert.match(name, /^([a-z0-9-]{1,63})?$/);
  assert.equal(names.get(honest), "honest");
  for (const refused of ["wpad", "otb", "localhost"]) {
    assert.ok(![...names.values()].includes(refused), refused);
  }
  const { devices } = await house.box.otb(["device", "list"]) as {
    devices: { name?: string; mac: string }[];
  };
  assert.ok(devices.some(({ mac }) => mac === honest));
  for (const { name } of devices) assert.match(name ?? "", /^([a-z0-9-]{1,63})?$/);
  const config = await Deno.readTextFile(`${house.box.state}/plugins/dhcp-takeover/leases`);
  // deno-lint-ignore no-control-regex
  assert.ok(!/[\x00-\x09\x0b-\x1f\x7f-\uffff`$<>;|&]/.test(config), "nothing of it is in a file as it came");
  await assert.rejects(Deno.stat("/tmp/otb-hostile"));
});

// Modems are found by themselves: real DHCP servers in the modems' namespaces, and a box that was told of no link.
import { strict as assert } from "node:assert";
import { links } from "../measure.ts";
import { World } from "../world.ts";

/** Starts a DHCP server of one kind in a modem; it ends with the lab. */
async function serve(
  world: World,
  modem: number,
  kind: "dnsmasq" | "udhcpd" | "dhcpd",
): Promise<Deno.ChildProcess> {
  const net = `192.168.${10 + modem}`;
  const folder = await Deno.makeTempDir({ prefix: "otb" });
  const commands = {
    dnsmasq: [
      "dnsmasq",
      "--keep-in-foreground",
      "--conf-file=/dev/null",
      "--port=0",
      "--interface=lan",
      "--bind-interfaces",
      `--dhcp-range=${net}.100,${net}.150,120`,
      `--dhcp-leasefile=${folder}/leases`,
      "--pid-file=",
    ],
    udhcpd: ["udhcpd", "-f", `${folder}/udhcpd.conf`],
    dhcpd: [
      "dhcpd",
      "-f",
      "-q",
      "-cf",
      `${folder}/dhcpd.conf`,
      "-lf",
      `${folder}/leases`,
      "-pf",
      `${folder}/pid`,
      "lan",
    ],
  };
  await Deno.writeTextFile(`${folder}/leases`, "");
  await Deno.writeTextFile(
    `${folder}/udhcpd.conf`,
    `start ${net}.100\nend ${net}.150\ninterface lan\nlease_file ${folder}/leases\npidfile ${folder}/pid\n` +
      `option subnet 255.255.255.0\noption router ${net}.1\noption lease 120\n`,
  );
  await Deno.writeTextFile(
    `${folder}/dhcpd.conf`,
    `authoritative; default-lease-time 120; max-lease-time 120;\n` +
      `subnet ${net}.0 netmask 255.255.255.0 { range ${net}.100 ${net}.150; option routers ${net}.1; }\n`,
  );
  return world.lab.spawn(`modem${modem}`, commands[kind], { stdin: "null", stdout: "null", stderr: "null" });
}

Deno.test("a port per modem, three kinds of DHCP servers: three links are found and carry, nothing was set", async () => {
  await using world = await World.up(
    `found${Deno.pid}`,
    { links: links("20/10/5", "20/10/10", "20/10/15") },
    {
      start: false,
      setLinks: false,
    },
  );
  const servers = await Promise.all([
    serve(world, 1, "dnsmasq"),
    serve(world, 2, "udhcpd"),
    serve(world, 3, "dhcpd"),
  ]);
  try {
    await Promise.all([world.cloud.up(), world.box.up()]);
    const { links: found } = await world.box.until(({ links }) =>
      links.length === 3 && links.every(({ observed }) => observed.state === "up")
    );
    assert.deepEqual(
      found.map(({ name, interface: device, observed }) => [name, device, observed.gateway]).sort(),
      [1, 2, 3].map((i) => [`wan-wan${i}`, `wan${i}`, `192.168.${10 + i}.1`]),
    );
    for (const { observed } of found) assert.match(observed.address!, /^192\.168\.1[123]\.1\d\d$/);
    const { checksumOk, mbps, error } = await world.transfer("device1", { bytes: 20_000_000 });
    assert.equal(checksumOk, true, error);
    assert.ok(mbps > 25, `${mbps} Mbit/s: more than any link alone`);

    // A modem whose server is switched off stays a link; one whose cable is pulled is none, and is one again afterwards.
    servers[1]!.kill("SIGKILL");
    await world.lab.spawn("modem3", ["ip", "link", "set", "box", "down"]).status;
    await world.box.until(({ links }) => links.length === 2);
    await world.lab.spawn("modem3", ["ip", "link", "set", "box", "up"]).status;
    const again = await world.box.until(({ links }) =>
      links.length === 3 && links.every(({ observed }) => observed.state === "up")
    );
    assert.deepEqual(again.links.map(({ name }) => name).sort(), ["wan-wan1", "wan-wan2", "wan-wan3"]);
    await world.box.down();
    await world.box.up();
    // What it remembers of the second is enough: its server has been silent since before the start.
    await world.box.until(({ links }) =>
      links.length === 3 && links.every(({ observed }) => observed.state === "up")
    );
  } finally {
    for (const server of servers) {
      try {
        server.kill("SIGKILL");
      } catch {
        // It was the one that was switched off.
      }
      await server.status;
    }
  }
});

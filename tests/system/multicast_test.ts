// A TV box pinned to its operator's link has that operator's multicast channels; nobody else has, and nothing else goes that way.
import { strict as assert } from "node:assert";
import { eventually } from "../worlds/lan.ts";
import { links } from "../bench/measure.ts";
import { World } from "../worlds/world.ts";

const CHANNEL = "239.1.1.1", OTHER_CHANNEL = "239.1.1.2", PORT = 5000;
const quiet = { stdin: "null", stdout: "null", stderr: "null" } as const;

async function output(world: World, role: string, words: string[]): Promise<string> {
  const { stdout } = await world.lab.spawn(role, words, { stdin: "null", stdout: "piped", stderr: "null" })
    .output();
  return new TextDecoder().decode(stdout);
}

/** A program in a namespace that says a line whenever something came. */
class Listener {
  count = 0;
  #child: Deno.ChildProcess;

  constructor(world: World, role: string, address: string, group: string) {
    const code = `
      const socket = Deno.listenDatagram({ transport: "udp", hostname: "0.0.0.0", port: ${PORT}, reuseAddress: true });
      await socket.joinMulticastV4("${group}", "${address}");
      for await (const [data] of socket) if (new TextDecoder().decode(data) === "${group}") console.log("came");`;
    this.#child = world.lab.spawn(role, [Deno.execPath(), "eval", "--unstable-net", code], {
      ...quiet,
      stdout: "piped",
      stderr: "inherit",
    });
    void this.#read();
  }

  async #read(): Promise<void> {
    for await (const text of this.#child.stdout.pipeThrough(new TextDecoderStream())) {
      this.count += text.split("\n").length - 1;
    }
  }

  /** Waits for ten more. */
  async more(what: string, boundMs = 30_000): Promise<void> {
    const wanted = this.count + 10;
    await eventually(what, () => this.count >= wanted, boundMs);
  }

  /** The kernel says for it that it leaves the group. */
  async leave(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.status;
  }
}

/** The operator sends both channels to its modem all the time; the modem is one that passes on what somebody asked for. */
async function broadcast(world: World, modem: number): Promise<void> {
  await output(world, "inet", ["ip", "route", "add", "239.0.0.0/8", "dev", `link${modem}`]);
  const code = `
    const socket = Deno.listenDatagram({ transport: "udp", hostname: "0.0.0.0", port: 0 });
    for (const group of ["${CHANNEL}", "${OTHER_CHANNEL}"]) {
      const membership = await socket.joinMulticastV4(group, "198.18.${modem}.1");
      await membership.setTTL(8);
    }
    setInterval(() => {
      for (const hostname of ["${CHANNEL}", "${OTHER_CHANNEL}"]) {
        socket.send(new TextEncoder().encode(hostname), { transport: "udp", hostname, port: ${PORT} }).catch(() => {});
      }
    }, 20);`;
  world.lab.spawn("inet", [Deno.execPath(), "eval", "--unstable-net", code], quiet).status.catch(() => {});
  const config =
    "quickleave\nphyint wan upstream ratelimit 0 threshold 1 altnet 0.0.0.0/0\nphyint lan downstream ratelimit 0 threshold 1\n";
  const proxy = world.lab.spawn(`modem${modem}`, ["igmpproxy", "-n", "-d", "/dev/stdin"], {
    ...quiet,
    stdin: "piped",
  });
  proxy.status.catch(() => {});
  const writer = proxy.stdin.getWriter();
  await writer.write(new TextEncoder().encode(config));
  await writer.close();
}

/** Counts what comes from the links, by channel, and what IGMP the modems hear. */
async function watch(world: World): Promise<void> {
  const counter = (name: string, of: string) => `${of} counter comment "${name}"`;
  const inBox = [CHANNEL, OTHER_CHANNEL].map((group) => counter(group, `iifname "wan*" ip daddr ${group}`));
  await output(world, "box", [
    "nft",
    `table ip watch { chain in { type filter hook prerouting priority -400; ${inBox.join("; ")}; }; }`,
  ]);
  for (const modem of [1, 2]) {
    // Whoever asks which groups there are is another matter.
    await output(world, `modem${modem}`, [
      "nft",
      `table ip watch { chain in { type filter hook prerouting priority -400; ${
        counter("igmp", 'iifname "lan" ip protocol igmp ip daddr != 224.0.0.1')
      }; ${counter("out", 'iifname "lan" ip daddr 239.0.0.0/8 ip protocol udp')}; }; }`,
    ]);
  }
}

async function counted(world: World, role: string, name: string): Promise<number> {
  const text = await output(world, role, ["nft", "list", "table", "ip", "watch"]);
  const found = new RegExp(`packets (\\d+) bytes \\d+ comment "${name.replaceAll(".", "\\.")}"`).exec(text);
  assert.ok(found, text);
  return Number(found[1]);
}

/** What a process runs; one may have ended meanwhile. */
function nameOf(pid: string): string | undefined {
  try {
    return Deno.readTextFileSync(`/proc/${pid}/comm`).trim();
  } catch {
    return undefined;
  }
}

/** Waits until the box is no member of a channel's group on its link any more. */
async function givenBack(world: World, group: string, why: string): Promise<void> {
  await eventually(
    `${group} is given back: ${why}`,
    async () => !(await output(world, "box", ["ip", "maddr", "show", "dev", "wan2"])).includes(group),
  );
}

Deno.test("a TV box pinned to its operator's link has its channels there; a bonded device has none, and no other link is asked", async (t) => {
  await using world = await World.up(`cast${Deno.pid}`, { links: links("20/10/5", "20/10/10"), devices: 2 });
  await watch(world);
  await broadcast(world, 2);
  const mac = (await output(world, "device2", ["cat", "/sys/class/net/eth0/address"])).trim();
  const pin = (link?: string) =>
    world.box.otb([
      "config",
      "set",
      `device-pinning.rules=${
        JSON.stringify(link ? [{ name: "tv", match: { device: mac }, way: "link", link }] : [])
      }`,
      "--yes",
    ]);
  const plugin = async () =>
    (await world.box.status()).plugins.find(({ name }) => name === "igmp-proxy")!.status as {
      link?: string;
      reason?: string;
      channels?: { group: string }[];
    };
  await pin("cable");
  await eventually("igmpproxy runs", async () => (await plugin()).link === "cable");

  const bonded = new Listener(world, "device1", "192.168.100.10", OTHER_CHANNEL);
  const tv = new Listener(world, "device2", "192.168.100.11", CHANNEL);
  await t.step("the TV box sees its channel, and it is told which", async () => {
    await tv.more("the channel comes");
    await eventually(
      "the channel is told",
      async () => `${(await plugin()).channels?.map(({ group }) => group)}` === CHANNEL,
    );
  });
  await t.step("what a bonded device asks for is not fetched", async () => {
    assert.equal(await counted(world, "box", OTHER_CHANNEL), 0);
    assert.equal(bonded.count, 0);
  });
  await t.step(
    "no other link's modem hears of it, and no modem hears what devices send to groups",
    async () => {
      const say = `const socket = Deno.listenDatagram({ transport: "udp", hostname: "0.0.0.0", port: 0 });
      const membership = await socket.joinMulticastV4("239.9.9.9", "192.168.100.11");
      await membership.setTTL(8);
      for (let i = 0; i < 5; i++) await socket.send(new Uint8Array(9), { transport: "udp", hostname: "239.9.9.9", port: 9 });
      Deno.exit();`;
      await output(world, "device2", [Deno.execPath(), "eval", "--unstable-net", say]);
      assert.equal(await counted(world, "modem1", "igmp"), 0);
      assert.ok(await counted(world, "modem2", "igmp") > 0);
      for (const modem of ["modem1", "modem2"]) assert.equal(await counted(world, modem, "out"), 0);
    },
  );
  await t.step("an igmpproxy that dies is started again, and the channel goes on", async () => {
    const pids = (await output(world, "box", ["sh", "-c", `ip netns pids ${world.lab.namespace("box")}`]))
      .split("\n");
    const [pid] = pids.filter((pid) => pid && nameOf(pid) === "igmpproxy");
    Deno.kill(Number(pid), "SIGKILL");
    await new Promise((resolve) => setTimeout(resolve, 500));
    await tv.more("the channel comes again", 60_000);
  });
  await t.step("a channel that is left is given back", async () => {
    assert.match(await output(world, "box", ["ip", "maddr", "show", "dev", "wan2"]), /239\.1\.1\.1/);
    await tv.leave();
    await givenBack(world, CHANNEL, "its device left it");
  });
  await t.step("a dead link's channels are looked for nowhere else, and come back with it", async () => {
    const again = new Listener(world, "device2", "192.168.100.11", CHANNEL);
    await again.more("the channel comes");
    await output(world, "box", ["ip", "link", "set", "wan2", "down"]);
    await eventually("it is given up", async () => (await plugin()).link === undefined);
    assert.equal(await counted(world, "modem1", "igmp"), 0);
    await output(world, "box", ["ip", "link", "set", "wan2", "up"]);
    await again.more("the channel comes back with its link", 90_000);
    await pin();
    await givenBack(world, CHANNEL, "the device is pinned no more");
    const tables = () => output(world, "box", ["nft", "list", "tables"]);
    assert.match(await tables(), /otb_device_pinning/);
    await eventually("its table goes", async () => !/otb_igmp_proxy/.test(await tables()));
    await again.leave();
  });
  await bonded.leave();
});

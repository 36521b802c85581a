import { strict as assert } from "node:assert";
import { openDatabase } from "../state/database.ts";
import { conditionOf } from "../state/storage.ts";
import { blockOf, KeptBlock } from "./kept_block.ts";

const LAN = { interface: "lan0", address: "192.168.1.2/24" };
const [A, B] = ["02:00:00:00:00:0a", "02:00:00:00:00:0b"];

function body(...args: Parameters<typeof blockOf>): string {
  const [table] = blockOf(...args);
  return table?.kind === "nftTable" ? table.body : "";
}

Deno.test("what stays in force holds those whom the kill-switch holds, and nobody where there is none", () => {
  assert.deepEqual(blockOf({ way: "direct" }, LAN), []);
  assert.deepEqual(blockOf({ way: "direct", devices: { [A]: "direct" } }, LAN), []);
  assert.deepEqual(blockOf({ way: "block" }, undefined), []);
  assert.match(body({ way: "block" }, LAN), /^ {4}reject with icmpx/m);
  assert.match(
    body({ way: "block", devices: { [A]: "direct", [B]: "block" } }, LAN),
    /^ {4}ether saddr != \{ 02:.*:0a \} reject/m,
  );
  assert.match(
    body({ way: "direct", devices: { [A]: "direct", [B]: "block" } }, LAN),
    /^ {4}ether saddr \{ 02:.*:0b \} reject/m,
  );
  // A modem on the LAN's own wire is a way out by the LAN's own interface.
  assert.match(body({ way: "block" }, LAN), /ip daddr 192\.168\.1\.0\/24 return/);
});

Deno.test("what stays in force is known to the next process, until it is taken back", () => {
  const folder = Deno.makeTempDirSync({ prefix: "otb" });
  try {
    const known = () => {
      const db = openDatabase(`${folder}/db`);
      return { block: new KeptBlock(db), [Symbol.dispose]: () => db.close() };
    };
    {
      using first = known();
      assert.deepEqual(first.block.sentences, []);
      first.block.remember(blockOf({ way: "block" }, LAN));
    }
    {
      using second = known();
      assert.deepEqual(second.block.resources, blockOf({ way: "block" }, LAN));
      assert.match(second.block.sentences.join(), /otb down --open/);
      second.block.remember([]);
    }
    using third = known();
    assert.deepEqual(third.block.resources, []);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("what a full disk refuses holds all the same, waits, and is written when there is room again", () => {
  const folder = Deno.makeTempDirSync({ prefix: "otb" });
  try {
    using db = openDatabase(`${folder}/db`);
    const block = new KeptBlock(db);
    const onDisk = () => new KeptBlock(db).resources;
    const few = blockOf({ way: "block" }, LAN);
    block.remember(few);
    // No page more than there are: SQLite says what it says of a full disk.
    const { page_count } = db.prepare("PRAGMA page_count").get()!;
    db.exec(`PRAGMA max_page_count = ${page_count}`);
    const devices = Object.fromEntries(
      Array.from(
        { length: 1_000 },
        (_, n) => [`02:00:00:00:${hex(n >> 8)}:${hex(n & 0xff)}`, "block" as const],
      ),
    );
    const many = blockOf({ way: "direct", devices }, LAN);
    const isFull = (error: unknown) => conditionOf(error, folder)?.[0] === "state-not-written";
    assert.throws(() => block.remember(many), isFull);
    assert.throws(() => block.flush(), isFull);
    assert.deepEqual([block.resources, onDisk()], [many, few]);
    db.exec("PRAGMA max_page_count = 1000000");
    block.flush();
    assert.deepEqual(onDisk(), many);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

const hex = (byte: number) => byte.toString(16).padStart(2, "0");

/** Runs a program; answers whether it succeeded. */
async function did(...words: string[]): Promise<boolean> {
  return (await new Deno.Command(words[0]!, {
    args: words.slice(1),
    stdin: "null",
    stdout: "null",
    stderr: "null",
  })
    .output()).success;
}

Deno.test({
  name:
    "a machine that goes on forwarding lets nobody out who is held, by its own interface neither, and all others",
  ignore: Deno.uid() !== 0 || Deno.build.os !== "linux",
  async fn() {
    const id = crypto.randomUUID().slice(0, 8);
    const [box, device, far] = ["box", "device", "far"].map((role) => `otbkept-${id}-${role}`) as [
      string,
      string,
      string,
    ];
    const inside = (space: string, line: string) => did("ip", "netns", "exec", space, ...line.split(" "));
    try {
      for (const space of [box, device, far]) await did("ip", "netns", "add", space);
      // The far end has an address by a port of its own, and another one on the LAN's wire, as a modem there has.
      const lines: [string, string][] = [
        [box, "ip link add lan0 type bridge"],
        [box, `ip link add port1 type veth peer name eth0 netns ${device}`],
        [box, `ip link add port2 type veth peer name lan netns ${far}`],
        [box, `ip link add wan1 type veth peer name wan netns ${far}`],
        ...["port1", "port2"].map((port): [string, string] => [box, `ip link set ${port} master lan0 up`]),
        ...["lan0", "wan1"].map((port): [string, string] => [box, `ip link set ${port} up`]),
        [box, "ip address add 192.168.1.2/24 dev lan0"],
        [box, "ip address add 192.168.11.2/24 dev wan1"],
        [box, "ip route add 203.0.113.2/32 via 192.168.1.1"],
        [box, "ip route add 203.0.113.1/32 via 192.168.11.1"],
        [box, "sysctl -qw net.ipv4.ip_forward=1"],
        [far, "ip link set lo up"],
        [far, "ip address add 192.168.1.1/24 dev lan"],
        [far, "ip address add 192.168.11.1/24 dev wan"],
        [far, "ip address add 203.0.113.1/32 dev lo"],
        [far, "ip address add 203.0.113.2/32 dev lo"],
        [far, "ip link set lan up"],
        [far, "ip link set wan up"],
        [device, `ip link set eth0 address ${A} up`],
        [device, "ip address add 192.168.1.10/24 dev eth0"],
        [device, "ip route add default via 192.168.1.2"],
      ];
      for (const [space, line] of lines) assert.ok(await inside(space, line), line);
      const reaches = async () => {
        const targets = ["203.0.113.1", "203.0.113.2", "192.168.1.2"];
        return await Promise.all(targets.map((target) => inside(device, `ping -c 2 -i 0.2 -W 2 ${target}`)));
      };
      const load = async (fact: Parameters<typeof blockOf>[0]) => {
        await inside(box, "nft flush ruleset");
        const file = await Deno.makeTempFile({ prefix: "otb" });
        await Deno.writeTextFile(
          file,
          `table inet otb_kept_block {\n${body(fact, { interface: "lan0", address: "192.168.1.2/24" })}\n}\n`,
        );
        assert.ok(await inside(box, `nft -f ${file}`));
        await Deno.remove(file);
      };
      assert.deepEqual(await reaches(), [true, true, true]);
      await load({ way: "block" });
      assert.deepEqual(await reaches(), [false, false, true]);
      await load({ way: "block", devices: { [A]: "direct" } });
      assert.deepEqual(await reaches(), [true, true, true]);
      await load({ way: "direct", devices: { [A]: "block" } });
      assert.deepEqual(await reaches(), [false, false, true]);
      await load({ way: "direct", devices: { [B]: "block" } });
      assert.deepEqual(await reaches(), [true, true, true]);
    } finally {
      for (const space of [box, device, far]) await did("ip", "netns", "delete", space);
    }
  },
});

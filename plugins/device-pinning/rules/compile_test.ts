import { strict as assert } from "node:assert";
import fc from "fast-check";
import { compile, TABLE, type Wish } from "./compile.ts";
import { CONNECTION_MARK } from "@otb/plugin";
import { NOTHING, parseTable } from "../flows/kernel.ts";
import { besideTunnel } from "../near.ts";
import { anyWish, Box, MAC, run, script, settings, way, wish } from "../testing/pinning.ts";
import { decide } from "../why.ts";

const { decided: DECIDED, tunnelled: TUNNELLED } = CONNECTION_MARK;

function inKernel(name: string) {
  return { name, ignore: Deno.uid() !== 0 || Deno.build.os !== "linux" };
}

Deno.test("golden tables", async (t) => {
  const directory = new URL("testdata/", import.meta.url);
  for (const { name } of [...Deno.readDirSync(directory)].sort((a, b) => a.name < b.name ? -1 : 1)) {
    if (!name.endsWith(".json")) continue;
    await t.step(name, () => {
      const { config, dead = [], ...situation } = JSON.parse(
        Deno.readTextFileSync(new URL(name, directory)),
      );
      const ways = ["fibre", "cable"].map((link, index) =>
        way(link, index + 1, { usable: !dead.includes(link) })
      );
      const text = compile(wish(settings(config), { ways, ...situation }), NOTHING);
      const golden = new URL(name.replace(/json$/, "nft"), directory);
      if (Deno.env.get("UPDATE_GOLDEN") === "1") Deno.writeTextFileSync(golden, text);
      assert.equal(text, Deno.readTextFileSync(golden));
    });
  }
});

Deno.test(inKernel("property: nft accepts every table"), async () => {
  const namespace = `otbpin-${crypto.randomUUID().slice(0, 8)}`;
  await run(["ip", "netns", "add", namespace]);
  try {
    await fc.assert(
      fc.asyncProperty(anyWish, async (wish) => {
        await run(["ip", "netns", "exec", namespace, "nft", "-c", "-f", "-"], script(compile(wish, NOTHING)));
      }),
      { numRuns: 60 },
    );
  } finally {
    await run(["ip", "netns", "delete", namespace]);
  }
});

/** How many packets have left since. */
function difference<T extends { [way: string]: number }>(after: T, before: T): { [way: string]: number } {
  return Object.fromEntries(Object.entries(after).map(([way, count]) => [way, count - before[way]!]));
}

/** Datagrams over the small world of the rules. */
const targets = fc.array(
  fc.tuple(fc.nat(3), fc.nat(3), fc.boolean(), fc.integer({ min: 1, max: 60 })).map(([b, c, six, port]) => ({
    address: six ? `fd00:${b}:${c}::1` : `10.${b}.${c}.1`,
    port,
  })),
  { minLength: 20, maxLength: 40 },
);

Deno.test(
  inKernel("property: the kernel decides as the rules read one by one do, and sends where they say"),
  async () => {
    await using box = await Box.up();
    await fc.assert(
      fc.asyncProperty(anyWish, targets, async (wish, targets) => {
        await box.load(compile(wish, NOTHING));
        const before = await box.left();
        await box.send(targets);
        const after = await box.left();
        const hits = new Map<string, number>(), left = { wan1: 0, wan2: 0, otb0: 0 };
        for (const { address, port } of targets) {
          const { rule, outcome } = decide(
            { mac: MAC, target: address, port, protocol: "udp" },
            wish,
            () => false,
          );
          if (rule) hits.set(rule.name, (hits.get(rule.name) ?? 0) + 1);
          if (outcome.kind === "link") left[outcome.way.interface as "wan1"]++;
          if (outcome.kind === "bonded") left.otb0++;
        }
        const { counters } = parseTable(
          await box.inBox(["nft", "-j", "list", "counters", "table", "inet", TABLE]),
        );
        for (const [name, number] of wish.numbers) {
          assert.equal(counters.get(`rule_${number}`)?.packets ?? 0, hits.get(name) ?? 0, `hits of ${name}`);
        }
        assert.deepEqual(difference(after, before), left);
      }),
      { numRuns: 25 },
    );
  },
);

Deno.test(inKernel("counters and DNS answers outlive the replacement of the table"), async () => {
  await using box = await Box.up();
  const first = wish(settings({
    rules: [
      { name: "films", match: { domains: ["example.org"] }, way: "link", link: "cable" },
      { name: "all", way: "block" },
    ],
  }));
  await box.load(compile(first, NOTHING));
  await box.inBox(["nft", "add", "element", "inet", TABLE, "named_1_4", "{ 10.9.9.9 }"]);
  await box.send([{ address: "10.9.9.9", port: 9 }, { address: "10.9.9.8", port: 9 }]);
  const read = async () => parseTable(await box.inBox(["nft", "-j", "list", "table", "inet", TABLE]));
  const carried = await read();
  assert.equal(carried.counters.get("rule_1")?.packets, 1);
  assert.deepEqual(carried.answers.get("named_1_4")?.map(({ address }) => address), ["10.9.9.9"]);
  await box.load(compile({ ...first, proxyGone: true, peerGone: true }, carried));
  await box.send([{ address: "10.9.9.9", port: 10 }, { address: "10.9.9.8", port: 10 }]);
  const { counters, answers } = await read();
  assert.equal(counters.get("rule_1")?.packets, 2);
  assert.equal(counters.get("rule_2")?.packets, 2);
  assert.ok(answers.get("named_1_4")![0]!.expiresSeconds > 86_000);
});

/** Serves who asks it on ports of the box's addresses, by UDP: says which port was asked. */
const ANSWERER =
  `for (const [hostname, port] of [["192.168.100.1", 53], ["192.168.100.1", 5337], ["fd02::1", 53]]) {
  const socket = Deno.listenDatagram({ transport: "udp", hostname, port });
  void (async () => {
    for await (const [, from] of socket) await socket.send(new TextEncoder().encode(String(port)), from);
  })();
  const listener = Deno.listen({ hostname, port });
  void (async () => {
    for await (const connection of listener) {
      await connection.write(new TextEncoder().encode(String(port)));
      connection.close();
    }
  })();
}
console.log("on");`;

/** Which port of the box answers a device's question there, by each protocol; `none` when it is refused. */
const ASKER = `const [hostname, port] = [Deno.args[0], Number(Deno.args[1])];
const text = (bytes) => new TextDecoder().decode(bytes);
const udp = Deno.listenDatagram({ transport: "udp", hostname: hostname.includes(":") ? "::" : "0.0.0.0", port: 0 });
const byUdp = (async () => {
  for (let count = 0; count < 2; count++) await udp.send(new Uint8Array(20), { transport: "udp", hostname, port });
  return text((await udp.receive())[0]);
})();
const byTcp = (async () => {
  const connection = await Deno.connect({ hostname, port });
  const bytes = new Uint8Array(9);
  return text(bytes.subarray(0, await connection.read(bytes)));
})();
const late = new Promise((resolve) => setTimeout(() => resolve("none"), 1000));
console.log((await Promise.all([byUdp, byTcp].map((one) => Promise.race([one.catch(() => "none"), late])))).join());
Deno.exit();`;

Deno.test(
  inKernel(
    "questions of a pinned device go to its link's resolver, and of nobody else, however they are asked",
  ),
  async () => {
    await using box = await Box.up();
    const answerer = new Deno.Command("ip", {
      args: ["netns", "exec", box.box, Deno.execPath(), "eval", "--unstable-net", ANSWERER],
      stdout: "piped",
    }).spawn();
    const reader = answerer.stdout.getReader();
    const file = await Deno.makeTempFile({ suffix: ".ts" });
    await Deno.writeTextFile(file, ASKER);
    try {
      await reader.read();
      const ask = async (address: string, port: number) =>
        (await box.inDevice([
          ...[Deno.execPath(), "run", "-A", "--quiet", "--no-lock", "--unstable-net"],
          ...[file, address, String(port)],
        ])).trim();
      const rules = [{ name: "tv", match: { device: MAC }, way: "link", link: "cable" }];
      const resolvers = [{ link: "cable", port: 5337, servers: ["192.168.12.1"] }];
      await box.load(compile(wish(settings({}), { resolvers }), NOTHING));
      assert.equal(await ask("192.168.100.1", 53), "53,53");
      assert.equal(await ask("fd02::1", 53), "53,53");
      assert.equal(await ask("192.168.100.1", 5337), "none,none", "nobody asks there by himself");
      await box.load(compile(wish(settings({ rules }), { resolvers }), NOTHING));
      assert.equal(await ask("192.168.100.1", 53), "5337,5337");
      assert.equal(await ask("fd02::1", 53), "none,none", "it asks again by IPv4");
      await box.load(compile(wish(settings({ rules, whenPeerGone: "block" }), { resolvers }), NOTHING));
      assert.equal(await ask("192.168.100.1", 53), "53,53", "not with the kill-switch");
      await box.load(compile(wish(settings({ rules }), {}), NOTHING));
      assert.equal(await ask("192.168.100.1", 53), "53,53", "its resolver is gone");
    } finally {
      answerer.kill("SIGKILL");
      await reader.cancel();
      await answerer.status;
      await Deno.remove(file);
    }
  },
);

Deno.test(
  inKernel("the tunnel takes what nothing else is said of, and nothing leaves past it while it is away"),
  async () => {
    await using box = await Box.up();
    const targets = ["10.9.9.9", "fd00:1:1::1"].map((address) => ({ address, port: 9 }));
    const sent = async (wished: Wish, to = targets) => {
      await box.load(compile(wished, NOTHING));
      const before = await box.left();
      await box.send(to);
      return difference(await box.left(), before);
    };
    const direct = wish(settings({}));
    const closed = wish(settings({ whenPeerGone: "block" }));
    const down = { tunnel: { state: "down", reason: "it is cut" } as const };
    const waiting = { tunnel: { state: "waiting" } as const };
    assert.deepEqual(await sent(direct), { wan1: 0, wan2: 0, otb0: 2 });
    assert.deepEqual(await sent(closed), { wan1: 0, wan2: 0, otb0: 2 });
    // Its plugin has taken its rule back, and nobody here knows yet.
    await box.tunnel("down");
    for (const wished of [direct, { ...direct, ...waiting }, closed, { ...closed, ...waiting }]) {
      assert.deepEqual(await sent(wished), { wan1: 0, wan2: 0, otb0: 0 });
    }
    assert.deepEqual(await sent({ ...direct, ...down }), { wan1: 2, wan2: 0, otb0: 0 });
    assert.deepEqual(await sent({ ...closed, ...down }), { wan1: 0, wan2: 0, otb0: 0 });
    await box.tunnel("up");
    assert.deepEqual(await sent({ ...direct, ...down }), { wan1: 2, wan2: 0, otb0: 0 });
    assert.deepEqual(await sent({ ...closed, ...down }), { wan1: 0, wan2: 0, otb0: 0 });
    // What is for the LAN's own segment, and the modems' pages.
    await box.ip(box.device, ["route add 169.254.0.0/16 via 192.168.100.1"]);
    await box.ip(
      box.box,
      besideTunnel(direct).flatMap((rule) =>
        rule.kind === "rule"
          ? [
            `rule add priority ${rule.priority} iif lan0 to ${
              rule.to!.replace(/\d+\/24/, "0/24")
            } lookup main`,
          ]
          : []
      ),
    );
    const segment = ["224.0.0.251", "239.255.255.250", "169.254.7.7", "ff02::fb", "ff05::2"];
    const near = ["192.168.11.1", "192.168.12.1"];
    assert.deepEqual(
      await sent(direct, [...segment, ...near].map((address) => ({ address, port: 9 }))),
      { wan1: 1, wan2: 1, otb0: 0 },
    );
  },
);

Deno.test(
  inKernel("from the tunnel only answers come in, to the LAN and to the box, with segments that fit"),
  async () => {
    await using box = await Box.up();
    await box.load(compile(wish(settings({})), NOTHING));
    const serve = `Deno.serve({ hostname: "203.0.113.10", port: 80, onListen: () => console.log("on") },
    (_, { remoteAddr }) => new Response(remoteAddr.hostname));`;
    const listening = new Deno.Command("ip", {
      args: ["netns", "exec", box.far, Deno.execPath(), "eval", serve],
      stdout: "piped",
    }).spawn();
    const reader = listening.stdout.getReader();
    try {
      await reader.read();
      for (const [role, direction] of [["inDevice", "in"], ["inFar", "out"]] as const) {
        await box[role](
          ["nft", "-f", "-"],
          `table inet watcher { chain c { type filter hook ${
            direction === "in" ? "input" : "prerouting"
          } priority 0;
          tcp flags & (syn | rst) == syn tcp option maxseg size > 1360 counter
          tcp flags & (syn | rst) == syn tcp option maxseg size <= 1360 counter
        }
        }`,
        );
      }
      assert.equal(await box.inDevice(["curl", "-sm", "5", "http://203.0.113.10/"]), "192.168.100.10");
      for (const role of ["inDevice", "inFar"] as const) {
        const counts = [
          ...(await box[role](["nft", "list", "table", "inet", "watcher"])).matchAll(/packets (\d+)/g),
        ];
        assert.deepEqual(counts.map(([, packets]) => Number(packets) > 0), [false, true], role);
      }
      const tracked = await box.inBox(["conntrack", "-L", "-p", "tcp", "--orig-port-dst", "80"]);
      assert.equal(Number(/mark=(\d+)/.exec(tracked)?.[1]), DECIDED + TUNNELLED);
      // Uninvited: to the device, and to the box.
      const uninvited = async () =>
        parseTable(await box.inBox(["nft", "-j", "list", "counters", "table", "inet", TABLE])).counters.get(
          "uninvited",
        )!.packets;
      const before = await uninvited();
      const knock = `for (const hostname of ["192.168.100.10", "10.158.0.1"]) {
      const socket = Deno.listenDatagram({ transport: "udp", hostname: "0.0.0.0", port: 0 });
      await socket.send(new Uint8Array(8), { transport: "udp", hostname, port: 5353 });
    }`;
      await box.inFar([Deno.execPath(), "eval", "--unstable-net", knock]);
      assert.equal(await uninvited(), before + 2);
      await box.inFar(["ping", "-c1", "-W2", "10.158.0.1"]);
    } finally {
      listening.kill("SIGKILL");
      await reader.cancel();
      await listening.status;
    }
  },
);

Deno.test(inKernel("a link whose interface is called like otb's own is a link, and no tunnel"), async () => {
  await using box = await Box.up();
  await box.ip(box.box, ["link set wan1 down", "link set wan1 name otb-wan1", "link set otb-wan1 up"]);
  await box.ip(box.box, ["neighbour replace 192.168.11.1 lladdr 02:00:00:00:01:01 dev otb-wan1"]);
  await box.ip(box.box, ["route add default via 192.168.11.1 dev otb-wan1"]);
  await box.tunnel("down");
  const interfaces = ["otb-wan1", "wan2"];
  await box.inBox([
    "nft",
    "add",
    "rule",
    "inet",
    "watcher",
    "post",
    "oifname",
    "otb-wan1",
    "meta",
    "l4proto",
    "udp",
    "counter",
  ]);
  await box.load(compile(wish(settings({ whenPeerGone: "block" }), { interfaces }), NOTHING));
  await box.send([{ address: "10.9.9.9", port: 9 }]);
  assert.match(
    await box.inBox(["nft", "list", "table", "inet", "watcher"]),
    /"otb-wan1".* counter packets 0 /,
  );
  await box.inBox(["nft", "delete", "table", "inet", TABLE]);
  await box.send([{ address: "10.9.9.9", port: 9 }]);
  assert.match(
    await box.inBox(["nft", "list", "table", "inet", "watcher"]),
    /"otb-wan1".* counter packets 1 /,
  );
});

Deno.test("1,000 pinned devices and 1,000 ranges become a handful of lookups", () => {
  const rules = (match: (index: number) => object) =>
    Array.from({ length: 1000 }, (_, index) => ({ name: `r${index}`, match: match(index), way: "block" }));
  const lookups = (config: Wish["config"]) => {
    const body = compile(wish(config), NOTHING).split("chain decide4 {\n")[1]!.split("\n  }\n")[0]!;
    return body.split("\n").length;
  };
  const mac = (index: number) =>
    `02:00:00:00:${(index >> 8).toString(16).padStart(2, "0")}:${
      (index & 255).toString(16).padStart(2, "0")
    }`;
  assert.equal(lookups(settings({ rules: rules((index) => ({ device: mac(index) })) })), 1);
  const mixed = rules((index) =>
    index % 2 === 0 ? { device: mac(index) } : { device: mac(index), addresses: [`10.${index % 250}.0.0/16`] }
  );
  assert.equal(lookups(settings({ rules: mixed })), 2);
});

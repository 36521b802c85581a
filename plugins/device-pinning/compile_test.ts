import { strict as assert } from "node:assert";
import fc from "fast-check";
import { compile, DECIDED, RULE_SHIFT, TABLE, type Wish } from "./compile.ts";
import { NOTHING, parseTable } from "./kernel.ts";
import { anyWish, Box, MAC, run, script, settings, way, wish } from "./testing.ts";
import { decide } from "./why.ts";

function inKernel(name: string) {
  return { name, ignore: Deno.uid() !== 0 || Deno.build.os !== "linux" };
}

Deno.test("golden tables", async (t) => {
  const directory = new URL("testdata/", import.meta.url);
  for (const { name } of [...Deno.readDirSync(directory)].sort((a, b) => a.name < b.name ? -1 : 1)) {
    if (!name.endsWith(".json")) continue;
    await t.step(name, () => {
      const { config, dead = [], peerGone = false } = JSON.parse(
        Deno.readTextFileSync(new URL(name, directory)),
      );
      const ways = ["fibre", "cable"].map((link, index) =>
        way(link, index + 1, { usable: !dead.includes(link) })
      );
      const text = compile(wish(settings(config), { ways, peerGone }), NOTHING);
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
        const hits = new Map<string, number>(), left = { wan1: 0, wan2: 0 };
        for (const { address, port } of targets) {
          const { rule, outcome } = decide(
            { mac: MAC, target: address, port, protocol: "udp" },
            wish,
            () => false,
          );
          if (rule) hits.set(rule.name, (hits.get(rule.name) ?? 0) + 1);
          if (outcome.kind === "link") left[outcome.way.interface as "wan1"]++;
        }
        const { counters } = parseTable(
          await box.inBox(["nft", "-j", "list", "counters", "table", "inet", TABLE]),
        );
        for (const [name, number] of wish.numbers) {
          assert.equal(counters.get(`rule_${number}`)?.packets ?? 0, hits.get(name) ?? 0, `hits of ${name}`);
        }
        assert.deepEqual({ wan1: after.wan1 - before.wan1, wan2: after.wan2 - before.wan2 }, left);
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
  await box.load(compile({ ...first, peerGone: true }, carried));
  await box.send([{ address: "10.9.9.9", port: 10 }, { address: "10.9.9.8", port: 10 }]);
  const { counters, answers } = await read();
  assert.equal(counters.get("rule_1")?.packets, 2);
  assert.equal(counters.get("rule_2")?.packets, 2);
  assert.ok(answers.get("named_1_4")![0]!.expiresSeconds > 86_000);
});

Deno.test(inKernel("a decision holds for the whole connection, until its link is dead"), async () => {
  await using box = await Box.up();
  const config = settings({ rules: [{ name: "tv", match: { device: MAC }, way: "link", link: "cable" }] });
  const listen = `const socket = Deno.listenDatagram({ transport: "udp", hostname: "0.0.0.0", port: 0 });
    for await (const _ of Deno.stdin.readable) {
      await socket.send(new Uint8Array(8), { transport: "udp", hostname: "10.9.9.9", port: 9 }).catch(() => {});
      console.log("sent");
    }`;
  await box.load(compile(wish(config), NOTHING));
  const file = await Deno.makeTempFile({ suffix: ".ts" });
  await Deno.writeTextFile(file, listen);
  const child = new Deno.Command("ip", {
    args: [
      "netns",
      "exec",
      box.device,
      Deno.execPath(),
      "run",
      "-A",
      "--quiet",
      "--no-lock",
      "--unstable-net",
      file,
    ],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  const reader = child.stdout.getReader();
  try {
    const sendBy = async () => {
      const before = await box.left();
      await writer.write(new TextEncoder().encode("now\n"));
      await reader.read();
      const after = await box.left();
      return after.wan1 > before.wan1 ? "wan1" : after.wan2 > before.wan2 ? "wan2" : "none";
    };
    assert.equal(await sendBy(), "wan2");
    // The rule is gone, the connection goes on.
    await box.load(compile(wish(settings({})), NOTHING));
    assert.equal(await sendBy(), "wan2");
    const tracked = await box.inBox(["conntrack", "-L", "-p", "udp"]);
    assert.equal(Number(/mark=(\d+)/.exec(tracked)?.[1]) >>> 0, 2 ** RULE_SHIFT + DECIDED + 0x200);
    assert.match(tracked, /dst=192\.168\.12\.2/);
    const ways = [way("fibre", 1), way("cable", 2, { usable: false })];
    await box.load(compile(wish(config, { ways }), NOTHING));
    assert.equal(await sendBy(), "none");
    await box.inBox(["conntrack", "-D", "-m", "0x200/0xff00"]);
    assert.equal(await sendBy(), "wan1");
  } finally {
    await writer.close();
    await reader.cancel();
    await child.status;
    await Deno.remove(file);
  }
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

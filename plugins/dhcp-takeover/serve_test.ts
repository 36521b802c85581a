// From what was seen to what dnsmasq reads: golden cases in testdata/serve, and dnsmasq itself says whether it understands.
import assert from "node:assert/strict";
import fc from "fast-check";
import { config } from "./config.ts";
import { dnsmasqConfig } from "./dnsmasq_config.ts";
import { receiver } from "./machine.ts";
import { planGivingBack, type PlanInput, planServing, type ServePlan } from "./plan.ts";

const CASES = new URL("testdata/serve/", import.meta.url);
const UPDATE = Deno.env.get("UPDATE_GOLDEN") === "1";

interface Case {
  about: string;
  how: "trial" | "confirmed" | "for-modem";
  config: object;
  input: PlanInput;
}

function planOf({ how, config: settings, input }: Case): ServePlan {
  const parsed = config.parse(settings);
  return how === "for-modem"
    ? planGivingBack(receiver(input.servers)!, parsed, input)!
    : planServing(how, parsed, input);
}

async function understood(text: string): Promise<string> {
  const child = new Deno.Command("dnsmasq", {
    args: ["--test", "--conf-file=-"],
    stdin: "piped",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(text));
  await writer.close();
  return new TextDecoder().decode((await child.output()).stderr).trim();
}

for (const { name } of [...Deno.readDirSync(CASES)].filter(({ name }) => name.endsWith(".json"))) {
  const test = JSON.parse(Deno.readTextFileSync(new URL(name, CASES))) as Case;
  Deno.test(`${name.replace(".json", "")}: ${test.about}`, async () => {
    const text = dnsmasqConfig(planOf(test), "/var/lib/otb/data/dhcp-takeover/leases");
    const golden = new URL(name.replace(".json", ".conf"), CASES);
    if (UPDATE) Deno.writeTextFileSync(golden, text);
    assert.equal(text, Deno.readTextFileSync(golden));
    assert.equal(await understood(text), "dnsmasq: syntax check OK.");
  });
}

Deno.test("property: no value, wherever it comes from, starts a line or an option of its own", () => {
  const lines = Deno.readTextFileSync(new URL("everything.conf", CASES)).split("\n").length;
  const plan = planOf(JSON.parse(Deno.readTextFileSync(new URL("everything.json", CASES))));
  const hostile = fc.oneof(
    fc.string(),
    fc.constantFrom(
      "x\nserver=1.2.3.4",
      "a,b",
      "x#y",
      'x"y',
      "192.168.1.1\n",
      "tag:x",
      "/x/",
      " ",
      "\r",
      "\u2028",
    ),
  );
  const places: ((value: string) => Partial<ServePlan>)[] = [
    (value) => ({ interface: value }),
    (value) => ({ address: value }),
    (value) => ({ reservations: [{ mac: "02:00:00:00:00:01", address: "192.168.100.9", name: value }] }),
    (value) => ({ reservations: [{ mac: value, address: "192.168.100.9" }] }),
    (value) => ({ holds: [{ mac: "02:00:00:00:00:01", address: value }] }),
    (value) => ({ names: [["02:00:00:00:00:01", value]] }),
    (value) => ({ captivePortalUrl: value }),
    (value) => ({ dns: { domain: value, resolvers: [], localDomains: [], sets: [] } }),
    (value) => ({ dns: { domain: "lan", resolvers: [value], localDomains: [], sets: [] } }),
    (value) => ({ dns: { domain: "lan", resolvers: ["9.9.9.9"], localDomains: [value], sets: [] } }),
    (value) => ({
      dns: {
        domain: "lan",
        resolvers: [],
        localDomains: [],
        sets: [{ domains: [value], table: "inet otb_x", set4: "a", set6: "b" }],
      },
    }),
    (value) => ({
      dns: {
        domain: "lan",
        resolvers: [],
        localDomains: [],
        sets: [{ domains: ["a"], table: value, set4: "a", set6: "b" }],
      },
    }),
    (value) => ({
      dns: {
        domain: "lan",
        resolvers: [],
        localDomains: [],
        sets: [{ domains: ["a"], table: "inet otb_x", set4: value, set6: "b" }],
      },
    }),
    (value) => ({ networks: [{ ...plan.networks[0]!, router: value }] }),
    (value) => ({ networks: [{ ...plan.networks[0]!, ranges: [[value, "192.168.100.9"]] }] }),
  ];
  fc.assert(
    fc.property(fc.constantFrom(...places), hostile, (place, value) => {
      let text: string;
      try {
        text = dnsmasqConfig({ ...plan, ...place(value) }, "/leases");
      } catch (error) {
        assert.ok(error instanceof RangeError, String(error));
        return;
      }
      // deno-lint-ignore no-control-regex
      assert.ok(!/[\x00-\x09\x0b-\x1f\x7f-\uffff]/.test(text), "only plain lines");
      assert.ok(text.split("\n").length <= lines, "and no more of them");
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("property: whatever servers say of their networks, ours are private, apart from each other, and leave everybody's address alone", () => {
  const octet = fc.integer({ min: 0, max: 255 });
  const address = fc.tuple(
    fc.constantFrom(10, 172, 192, 8, 169, 224),
    fc.constantFrom(16, 168, 254, 0),
    octet,
    octet,
  )
    .map((parts) => parts.join("."));
  const server = fc.record({
    mac: fc.constant("02:00:00:00:00:01"),
    server: address,
    router: address,
    network: fc.tuple(address, fc.integer({ min: 0, max: 33 })).map(([at, length]) => `${at}/${length}`),
    heardMs: fc.constant(0),
  });
  fc.assert(
    fc.property(fc.array(server, { maxLength: 12 }), fc.array(address, { maxLength: 4 }), (servers, own) => {
      const links = own.map((at, index) => ({
        name: `l${index}`,
        interface: "lan0",
        found: true,
        tier: "primary" as const,
        observed: { state: "up" as const, address: at },
      }));
      const plan = planServing("trial", config.parse({}), {
        lan: { interface: "lan0", address: "192.168.100.1/24" },
        links,
        servers,
        holds: [],
        refused: [],
        names: [],
        sets: [],
      });
      assert.ok(plan.networks.length <= 9);
      const ranges = plan.networks.flatMap(({ ranges }) => ranges);
      const flat = ranges.map(([first, last]) => [asNumber(first), asNumber(last)] as const).sort((
        [a],
        [b],
      ) => a - b);
      for (const [index, [first, last]] of flat.entries()) {
        assert.ok(first <= last);
        assert.ok(index === 0 || flat[index - 1]![1] < first, "no address in two ranges");
      }
      for (
        const taken of [...own, ...servers.flatMap(({ server, router }) => [server, router]), "192.168.100.1"]
      ) {
        assert.ok(!flat.some(([first, last]) => first <= asNumber(taken) && asNumber(taken) <= last), taken);
      }
      for (const [first] of ranges) assert.match(first, /^(10|172\.1[6-9]|172\.[23]\d|192\.168|100)\./);
      dnsmasqConfig(plan, "/leases");
    }),
  );
});

function asNumber(address: string): number {
  return address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
}

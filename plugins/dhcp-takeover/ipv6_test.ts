// Which prefix is announced, how dnsmasq is told, and who else leads devices away.
import assert from "node:assert/strict";
import fc from "fast-check";
import type { InterfaceFact } from "@otb/plugin";
import { config } from "./config.ts";
import { announcerConfig } from "./dnsmasq_config.ts";
import { announcement, announcerResources, leaks, type Router } from "./ipv6.ts";
import { ipv6Instructions, readRecipes } from "./recipes.ts";

const lan = { interface: "lan0", address: "192.168.100.1/24" };
const { dns } = config.parse({});
const good = { prefix: "2001:db8:1:2::/64", resolvers: ["2001:db8::53"], verified: true };
const device = (...addresses: string[]) => ({ name: "lan0", addresses }) as InterfaceFact;
const around = { lan, nowMs: 1_000, device: device("192.168.100.1/24", "fe80::1/64"), routers: [], dns };

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

Deno.test("a verified prefix is announced with the box as router and resolver", async () => {
  const announced = announcement(good, around)!;
  assert.equal(announced.address, "2001:db8:1:2::1/64");
  assert.equal(announced.resolvers, "own");
  const { everySeconds, routerSeconds, prefixSeconds } = announced.timing;
  assert.ok(
    routerSeconds >= 3 * everySeconds && routerSeconds <= 120,
    "a dead box is left soon, one lost announcement is none",
  );
  assert.ok(prefixSeconds >= routerSeconds && prefixSeconds <= 600);
  const text = announcerConfig(announced);
  assert.equal(
    text,
    `keep-in-foreground
log-facility=-
log-async=50
pid-file
user=dnsmasq
port=0
interface=lan0
except-interface=lo
bind-dynamic
leasefile-ro
enable-ra
dhcp-range=::,constructor:lan0,ra-stateless,64,300
# Before a modem's own announcement (RFC 4191).
ra-param=lan0,high,30,90
dhcp-option=option6:dns-server,[::]
`,
  );
  assert.equal(await understood(text), "dnsmasq: syntax check OK.");
  assert.deepEqual(
    announcerResources(lan, announced).map((one) => one.kind === "sysctl" ? `${one.name}=${one.value}` : one),
    [
      "net/ipv6/conf/lan0/accept_ra=0",
      "net/ipv6/conf/lan0/disable_ipv6=0",
      { kind: "address", interface: "lan0", cidr: "2001:db8:1:2::1/64" },
    ],
  );
});

Deno.test("where the box answers no DNS, the prefix's resolvers are told", async () => {
  const resolvers = ["2001:DB8::53", "1.1.1.1", "x\nserver=1.1.1.1", "2001:db8::54"];
  const announced = announcement({ ...good, resolvers }, { ...around, dns: { ...dns, enabled: false } })!;
  assert.deepEqual(announced.resolvers, ["2001:db8::53", "2001:db8::54"]);
  const text = announcerConfig(announced);
  assert.match(text, /^dhcp-option=option6:dns-server,\[2001:db8::53\],\[2001:db8::54\]$/m);
  assert.equal(await understood(text), "dnsmasq: syntax check OK.");
});

Deno.test("nothing is announced of a prefix that is not verified, has ended, is no /64 for hosts, or would not be alone", () => {
  const never = (fact: object | undefined, more: object = {}) =>
    assert.equal(
      announcement(fact && { ...good, ...fact }, { ...around, ...more }),
      undefined,
      JSON.stringify(fact),
    );
  never(undefined);
  never({ verified: false });
  never({ verified: "yes" });
  never({ validUntilMs: 1_000 });
  never({ validUntilMs: NaN });
  for (
    const prefix of [
      "2001:db8:1:2::/48",
      "2001:db8:1:2::1/64",
      "2001:db8:1:2:3::/64",
      "fe80::/64",
      "ff02::/64",
      "::/64",
      "2001:db8::/64/64",
      "2001:db8:1:2::%eth0/64",
      "192.168.1.0/24",
      7,
    ]
  ) never({ prefix });
  assert.ok(announcement({ ...good, validUntilMs: 1_001 }, around));
  assert.ok(announcement({ ...good, prefix: "fd00:1:2:3::/64" }, around));
  assert.equal(announcement({ ...good, prefix: "2001:db8::/64" }, around)!.address, "2001:db8::1/64");

  const own = device("2001:db8:1:2::1/64", "fe80::1/64");
  assert.ok(announcement(good, { ...around, device: own }));
  const strange = device("2001:db8:9:9::7/64");
  never({}, { device: strange });
  const routers = [{ mac: "02:00:00:00:00:01", router: "fe80::2", prefixes: ["2001:db8:9:9::/64"] }];
  assert.ok(
    announcement(good, { ...around, device: strange, routers }),
    "a modem's own is not announced by dnsmasq",
  );
});

Deno.test("property: no fact makes more than plain lines of the announcer's configuration", () => {
  const text = fc.oneof(fc.string(), fc.ipV6(), fc.constantFrom("x\nserver=1.2.3.4", "::1,1", "[::]"));
  fc.assert(
    fc.property(text.map((one) => `${one}/64`), fc.array(text, { maxLength: 20 }), (prefix, resolvers) => {
      const announced = announcement({ prefix, resolvers, verified: true }, {
        ...around,
        dns: { ...dns, enabled: false },
      });
      if (!announced) return;
      assert.match(announced.address, /^[0-9a-f:]+::1\/64$/);
      assert.equal(announcerConfig(announced).split("\n").length, 16);
    }),
    { numRuns: 2_000 },
  );
});

Deno.test("who else announces itself on the LAN is told of with a way to stop it, as long as devices believe it", () => {
  const fact = {
    mac: "02:00:00:00:00:09",
    router: "fe80::9",
    interface: "lan0",
    lifetimeSeconds: 1_800,
    prefixes: ["2001:db8:9:9::/64", "evil\nline/64"],
    lastSeenMs: 1_000,
    onLan: true,
  };
  const of = (more: object, nowMs = 2_000) => leaks(new Map([["x", { ...fact, ...more }]]), nowMs);
  assert.deepEqual(of({}), [{ mac: fact.mac, router: "fe80::9", prefixes: ["2001:db8:9:9::/64"] }]);
  assert.deepEqual(of({}, 1_801_000), [], "its time is over");
  assert.deepEqual(of({ lifetimeSeconds: 0 }), [], "it is no router");
  assert.deepEqual(of({ onLan: false }), [], "on a port of its own it leads nobody");
  assert.deepEqual(of({ mac: "x" }), []);
  assert.deepEqual(of({ router: "$(reboot)" }), []);
  const flood = new Map(
    Array.from({ length: 1_000 }, (_, index) => {
      const mac = `02:00:00:00:${(index >> 8).toString(16).padStart(2, "0")}:${
        (index & 255).toString(16).padStart(2, "0")
      }`;
      return [mac, { ...fact, mac }] as const;
    }),
  );
  assert.equal(leaks(flood, 2_000).length, 8);

  const recipes = readRecipes(new URL("recipes/", import.meta.url));
  const router: Router = { mac: fact.mac, router: "fe80::9", prefixes: [] };
  const livebox = { mac: fact.mac, server: "192.168.1.1", vendor: "Orange Livebox", heardMs: 0 };
  const [told] = ipv6Instructions(recipes, [router], [livebox]);
  assert.equal(told!.url, "http://192.168.1.1/");
  assert.match(told!.title, /Livebox.*IPv6/);
  assert.ok(told!.en.some((step) => /router advertisements/.test(step)));
  assert.equal(told!.en.length, told!.fr.length);
  const [unknown] = ipv6Instructions(recipes, [router], []);
  assert.match(unknown!.url, /02:00:00:00:00:09/);
});

// What a person sets by hand against what is found, in every order: core's claims, the links as all see them, the planner and its
// claims, over a kernel in memory.
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { coreClaims } from "../../../core/running/core_claims.ts";
import { Journal } from "../../../core/net/journal.ts";
import { Net } from "../../../core/net/net.ts";
import { fakeInterface, OsFake } from "../../../core/net/os_fake.ts";
import { silent } from "../../../core/net/testing/namespace.ts";
import type { Link } from "@otb/plugin";
import { type LinkSettings, observeLinks } from "../../../core/running/links.ts";
import { allResources, configuredLinks, linkFact } from "./claims.ts";
import type { Memory } from "../search/memory.ts";
import type { PlannedLink } from "../search/known.ts";
import { plan } from "../search/planner.ts";

/** Two modems on one port or on two, and what their DHCP servers give the box. */
const MODEMS = [
  { mac: "02:00:00:00:00:aa", gateway: "192.168.1.1", address: "192.168.1.50" },
  { mac: "02:00:00:00:00:bb", gateway: "192.168.2.1", address: "192.168.2.50" },
];
const PORTS = ["wan1", "wan2"];
/** A port that discovery holds too, and one that was mistyped. */
const LANS = ["wan2", "wan77"].map((name) => ({ interface: name, address: "192.168.177.1/24" }));

/** A box: `core` does what the running core does on a change, `discover` what discovery does when it looks. */
class Box {
  os = new OsFake({
    interfaces: [
      fakeInterface("lo", 1),
      ...PORTS.map((name, index) => ({
        ...fakeInterface(name, index + 2),
        up: false,
        mac: `02:00:00:00:01:0${index}`,
      })),
    ],
    sysctls: Object.fromEntries(
      [...PORTS, "otb-wan1", "otb-wan2"].map((name) => [`net/ipv4/conf/${name}/arp_ignore`, "0"]),
    ),
  });
  readonly database = new DatabaseSync(":memory:");
  net: Net | undefined;
  settings: { [name: string]: LinkSettings } = {};
  lan: typeof LANS[number] | undefined;
  names: { [mac: string]: { name?: string } } = {};
  /** Where modems are seen now. */
  seen = new Map<number, string>();
  memory: Memory[] = [];
  found: PlannedLink[] = [];
  claimed = new Set<string>();

  get links(): Link[] {
    const facts = new Map(this.found.map((link) => [link.name, linkFact(link, grantOf(link))]));
    return observeLinks(this.settings, this.os.state, { links: facts, health: new Map() });
  }

  /** A running core takes changed settings; a stopped one only has them. */
  async core(): Promise<void> {
    const claims = coreClaims({ links: this.settings as never, lan: this.lan });
    await this.net?.preview(claims);
    for (const { owner, key, resources } of claims) await this.net?.claim(owner, key, resources);
  }

  async start(): Promise<void> {
    this.net = new Net(this.os, new Journal(this.database), silent);
    this.claimed.clear();
    await this.net.reconcile();
    await this.core();
    await this.discover();
    await this.net.settle();
  }

  async discover(): Promise<void> {
    if (!this.net) return;
    const { seen, lan } = this;
    const stations = [...seen].map(([modem, on]) => ({
      ...{
        interface: on,
        mac: MODEMS[modem]!.mac,
        address: MODEMS[modem]!.gateway,
        sinceMs: 0,
        lastSeenMs: 0,
      },
    }));
    const ports = PORTS.map((name) => {
      const { mac, carrier, addresses } = this.os.state.interfaces.find((device) => device.name === name)!;
      return { name, mac: mac!, carrier, addresses: addresses.map((a) => `${a.address}/${a.prefixLength}`) };
    });
    const next = plan({
      ...{ nowMs: 0, epochMs: 0, freshMs: 1, lan, ports, stations, memory: this.memory },
      servers: [...seen].map(([modem, on]) => ({
        ...{ interface: on, server: MODEMS[modem]!.gateway, router: MODEMS[modem]!.gateway },
        ...{ mac: MODEMS[modem]!.mac, prefixLength: 24, dns: [], hints: [], lastSeenMs: 0 },
      })),
      configured: configuredLinks(this.links),
      joins: [],
      unheard: new Set(),
      clashing: new Set(),
      wishes: this.names,
    });
    ({ links: this.found, memory: this.memory } = next);
    const wishes = allResources(ports, lan, this.found, grantOf);
    for (const key of this.claimed) if (!wishes.has(key)) wishes.set(key, []);
    // What goes makes room for what comes.
    for (const [key, resources] of [...wishes].sort(([, a], [, b]) => a.length - b.length)) {
      await this.net.claim("wan-discovery", key, resources);
      if (resources.length > 0) this.claimed.add(key);
      else this.claimed.delete(key);
    }
  }
}

function grantOf({ mac, lanAddress }: PlannedLink) {
  const { address, gateway: router } = MODEMS.find((modem) => modem.mac === mac)!;
  return lanAddress ? undefined : { address, prefixLength: 24, router, dns: [] };
}

type Step = (box: Box) => Promise<void> | void;

const modem = fc.constantFrom(0, 1);
/** Names that nobody has, that a found link has, and that both sides may fight for. */
const name = fc.constantFrom("fibre", "wan-wan1", "wan1");
const steps: fc.Arbitrary<[string, Step]> = fc.oneof(
  fc.tuple(name, fc.constantFrom("wan1", "wan2"), fc.option(modem), fc.constantFrom(50, 60)).map(
    ([name, on, modem, host]): [string, Step] => [`set ${name} on ${on} modem ${modem} .${host}`, (box) => {
      // Two links set by hand with one address are refused before.
      const others = Object.entries(box.settings).filter(([other, link]) =>
        other !== name && link.interface !== on
      );
      const gateway = modem === null ? undefined : MODEMS[modem]!.gateway;
      const address = gateway?.replace(/\d+$/, `${host}/24`);
      if (others.some(([, link]) => link.address && link.address === address)) return;
      box.settings = {
        ...Object.fromEntries(others),
        [name]: { interface: on, address, gateway, tier: "primary" },
      };
      return box.core();
    }],
  ),
  name.map((name): [string, Step] => [`remove ${name}`, (box) => {
    const { [name]: _, ...rest } = box.settings;
    box.settings = rest;
    return box.core();
  }]),
  fc.tuple(modem, name).map(([modem, name]): [string, Step] => [`call modem ${modem} ${name}`, (box) => {
    box.names = { [MODEMS[modem]!.mac]: { name } };
  }]),
  fc.tuple(modem, fc.constantFrom("wan1", "wan2")).map(([modem, on]): [string, Step] => [
    `modem ${modem} answers on ${on}`,
    (box) => void box.seen.set(modem, on),
  ]),
  modem.map((modem): [string, Step] => [`modem ${modem} falls silent`, (box) => void box.seen.delete(modem)]),
  fc.constantFrom(...LANS, undefined).map((lan): [string, Step] => [`lan ${lan?.interface}`, (box) => {
    box.lan = lan;
    return box.core();
  }]),
  fc.constant<[string, Step]>(["discovery looks", (box) => box.discover()]),
  fc.constant<[string, Step]>(["start or crash", (box) => box.start()]),
  fc.constant<[string, Step]>(["stop", async (box) => {
    await box.net?.sweep();
    box.net = undefined;
    box.found = [];
  }]),
);

Deno.test("set by hand, found, renamed, removed, found again, running or not, in any order: nothing is refused, what is set holds", async () => {
  await fc.assert(
    fc.asyncProperty(fc.boolean(), fc.array(steps, { maxLength: 14 }), async (isRunning, turns) => {
      const box = new Box();
      const before = structuredClone(box.os.state);
      if (isRunning) {
        box.seen.set(0, "wan1");
        await box.start();
      }
      for (const [, step] of turns) await step(box);
      if (!box.net) await box.start();
      // What discovery let go of makes room for what it finds then.
      for (let look = 0; look < 3; look++) await box.discover();

      const { links } = box;
      const addresses = (device: string) =>
        box.os.state.interfaces.find(({ name }) => name === device)!.addresses.map(({ address }) => address);
      for (const [name, { interface: on, address, gateway }] of Object.entries(box.settings)) {
        const link = links.find((link) => link.name === name)!;
        assert.deepEqual([link.interface, link.found], [on, false]);
        if (!address) continue;
        const host = address.split("/")[0]!;
        assert.deepEqual([link.observed.state, link.observed.address, link.observed.gateway], [
          "up",
          host,
          gateway,
        ]);
        assert.equal(
          links.filter(({ observed }) => observed.address === host).length,
          1,
          "one link an address",
        );
        // The port is left to it: nothing that discovery was given is there.
        const given = MODEMS.map((modem) => modem.address).filter((address) => address !== host);
        assert.deepEqual(addresses(on!).filter((address) => given.includes(address)), []);
      }
      for (const [modem, on] of box.seen) {
        const isLeft = Object.values(box.settings).some((link) =>
          link.interface === on && (link.gateway ?? MODEMS[modem]!.gateway) === MODEMS[modem]!.gateway
        );
        const used = box.found.filter(({ mac }) => mac === MODEMS[modem]!.mac);
        assert.equal(used.length, isLeft ? 0 : 1, `modem ${modem}`);
      }
      for (const { state, reason } of box.net!.claims().flatMap(({ resources }) => resources)) {
        assert.ok(state !== "failed", reason);
      }
      await box.net!.sweep();
      assert.deepEqual(normal(box.os.state), normal(before));
    }),
    { numRuns: 120 },
  );
});

function normal(state: OsFake["state"]): string {
  return JSON.stringify({ ...state, interfaces: state.interfaces.map(({ index: _, ...rest }) => rest) });
}

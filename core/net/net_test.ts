import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import type { Log } from "../contract/mod.ts";
import { Journal } from "./journal.ts";
import type { Resource } from "./model.ts";
import { Net } from "./net.ts";
import type { Operation } from "./os.ts";
import { fakeInterface, OsFake } from "./os_fake.ts";
import { silent } from "./testing/namespace.ts";
import { machine, unordered, wishes } from "./testing/wishes.ts";

const ADDRESS: Resource = { kind: "address", interface: "wan1", cidr: "10.0.5.2/24" };
const ROUTE: Resource = {
  kind: "route",
  family: 4,
  table: 105,
  to: "default",
  via: "10.0.5.1",
  interface: "wan1",
};
const RULE: Resource = { kind: "rule", family: 4, priority: 1500, from: "10.0.5.2", table: 105 };
const FORWARD: Resource = { kind: "sysctl", name: "net/ipv4/ip_forward", value: "1" };

function start(os = machine(), database = new DatabaseSync(":memory:"), log: Log = silent) {
  return { os, database, net: new Net(os, new Journal(database), log) };
}

Deno.test("two owners want one resource otherwise: the second is refused by name before anything is applied", async () => {
  const { os, net } = start();
  const backward: Resource = { ...FORWARD, value: "2" } as Resource;
  await net.claim("socks-proxy", "k", [FORWARD]);
  const operations = os.history.length;
  await rejects(net.claim("qos", "k", [ADDRESS, backward]), {
    code: "claim-conflict",
    message:
      'Cannot claim setting net/ipv4/ip_forward for "qos" as owners of a resource must want the same of it: current value is "socks-proxy"',
  });
  strictEqual(os.history.length, operations);
  await net.release("socks-proxy");
  await net.claim("qos", "k", [ADDRESS, backward]);
});

Deno.test("owners who want the same share it: it goes with the last, over a crash too, and a change of one is refused", async () => {
  const { os, net, database } = start();
  const value = () => os.state.sysctls["net/ipv4/ip_forward"];
  await net.claim("a", "k", [FORWARD]);
  const operations = os.history.length;
  await net.claim("b", "k", [FORWARD]);
  await net.claim("b", "other", [FORWARD]);
  strictEqual(os.history.length, operations, "nothing is touched by sharing");
  await rejects(net.claim("a", "k", [{ ...FORWARD, value: "2" } as Resource]), { code: "claim-conflict" });
  await net.release("a");
  await net.claim("b", "k", []);
  strictEqual(value(), "1");

  await net.claim("a", "k", [FORWARD]);
  const { net: next } = start(os, database);
  await next.reconcile();
  // Whoever comes back first and does not want it any more takes nothing from the other.
  await next.claim("b", "other", []);
  strictEqual(value(), "1");
  await next.claim("a", "k", [FORWARD]);
  await next.settle();
  strictEqual(value(), "1");
  await next.release("a");
  strictEqual(value(), "0");
  strictEqual(new Journal(database).entries().length, 0);
});

Deno.test("what a person set holds against plugins, whoever came first, and is theirs again when it is taken back", async () => {
  const wide: Resource = { kind: "address", interface: "wan1", cidr: "10.0.5.2/24", noPrefixRoute: true };
  const flag = (os: OsFake) => os.state.interfaces[1]!.addresses.find((a) => a.address === "10.0.5.2");
  for (const isPluginFirst of [true, false]) {
    const { os, net } = start();
    const turns = [
      () => net.claim("wan-discovery", "link-1", [wide, ROUTE]),
      () => net.claim("core", "interfaces", [ADDRESS]),
    ];
    for (const turn of isPluginFirst ? turns : turns.reverse()) await turn();
    strictEqual(flag(os)?.noPrefixRoute, undefined);
    deepStrictEqual(
      net.claims().find(({ owner }) => owner === "wan-discovery")!.resources.map(({ state, reason }) => [
        state,
        reason,
      ]),
      [["waiting", '"core" wants it otherwise'], ["applied", undefined]],
    );
    await net.claim("core", "interfaces", []);
    strictEqual(flag(os)?.noPrefixRoute, true);
    await net.sweep();
    deepStrictEqual(unordered(os.state), unordered(machine().state));
  }
});

Deno.test("whatever core and plugins claim, in any order and over crashes, the kernel is as their last wishes alone make it", async () => {
  const name = fc.constantFrom("core", "a", "b");
  // An endpoint outlives its address in the kernel: how it came to be would count.
  const plain = wishes.map((list) => list.filter(({ kind }) => kind !== "mptcpEndpoint"));
  const turn = fc.oneof(
    { weight: 6, arbitrary: fc.record({ owner: name, key: fc.constantFrom("k", "l"), wishes: plain }) },
    { weight: 1, arbitrary: fc.constant("crash" as const) },
    { weight: 1, arbitrary: fc.constant("settle" as const) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(turn, { maxLength: 12 }), async (turns) => {
      let { os, net, database } = start();
      const last = new Map<string, { owner: string; key: string; resources: Resource[] }>();
      for (const turn of turns) {
        if (turn === "crash") ({ net } = start(os, database));
        else if (turn === "settle") {
          await net.settle();
        } else {
          const { owner, key, wishes: resources } = turn;
          const mine = `${owner} ${key}`;
          await net.claim(owner, key, resources).then(() => {
            last.delete(mine);
            last.set(mine, { owner, key, resources });
          }, (error) => strictEqual(error.code, "claim-conflict"));
        }
      }
      // Everybody says again what they want, as plugins do after a crash; what nobody says goes.
      const sayAgain = async (net: Net) => {
        let refused = 0;
        for (const { owner, key, resources } of last.values()) {
          await net.claim(owner, key, resources).catch((error) => {
            strictEqual(error.code, "claim-conflict");
            refused++;
          });
        }
        await net.settle();
        return refused;
      };
      const fresh = start();
      // Plugins that differ were let be while the core stood above both; whoever comes first then holds.
      if (await sayAgain(net) + await sayAgain(fresh.net) === 0) deepStrictEqual(shown(os), shown(fresh.os));
      await net.sweep();
      deepStrictEqual(unordered(os.state), unordered(machine().state));
      strictEqual(new Journal(database).entries().length, 0);
    }),
    { numRuns: 200 },
  );
});

/** What claims can tell apart: devices made later have other numbers. */
function shown(os: OsFake): unknown {
  return unordered({
    ...os.state,
    interfaces: os.state.interfaces.map((device) => ({ ...device, index: 0 })),
  });
}

Deno.test("what the kernel refused when it was put back is tried again, though nobody tells of anything", async () => {
  const { os, net } = start();
  await net.claim("a", "k", [RULE]);
  const there = () => os.state.rules.some(({ priority }) => priority === 1500);
  os.state.rules = os.state.rules.filter(({ priority }) => priority !== 1500);
  os.failAfter(0);
  await net.reconcile();
  strictEqual(there(), false);
  for (let waited = 0; !there() && waited < 30_000; waited += 10) {
    await new Promise((done) => setTimeout(done, 10));
  }
  strictEqual(there(), true);
});

Deno.test("a refused claim leaves the kernel and the owner's former claim as they were", async () => {
  await fc.assert(
    fc.asyncProperty(wishes, wishes, fc.nat(12), async (former, next, failAt) => {
      const { os, net, database } = start();
      await net.claim("a", "k", former);
      const before = structuredClone(os.state);
      os.failAfter(failAt);
      const refused = await net.claim("a", "k", next).then(() => false, (error) => {
        strictEqual(error.code, "apply-failed");
        return true;
      });
      os.failAfter(Infinity);
      if (refused) {
        deepStrictEqual(unordered(os.state), unordered(before));
        deepStrictEqual(
          net.claims().flatMap(({ resources }) => resources.map(({ resource }) => resource)),
          former,
        );
      }
      await net.sweep();
      deepStrictEqual(unordered(os.state), unordered(machine().state));
      strictEqual(new Journal(database).entries().length, 0);
    }),
    { numRuns: 150 },
  );
});

/** Dies in the middle: does some operations, then never answers again. */
class OsThatDies extends OsFake {
  budget = Infinity;
  override async apply(operations: Operation[]): Promise<void> {
    const last = operations.slice(0, this.budget);
    this.budget -= last.length;
    await super.apply(last);
    if (last.length < operations.length) await new Promise(() => {});
  }
}

Deno.test("after a kill at any operation, a new core sweeps everything the old one did", async () => {
  await fc.assert(
    fc.asyncProperty(wishes, wishes, fc.nat(16), async (first, second, budget) => {
      const os = new OsThatDies(machine().state);
      const { net, database } = start(os);
      os.budget = budget;
      const work = net.claim("a", "k", first).then(() => net.claim("a", "k", second)).then(() =>
        net.release("a")
      );
      await Promise.race([work, new Promise((resolve) => setTimeout(resolve, 5))]);
      os.budget = Infinity;
      await start(os, database).net.sweep();
      deepStrictEqual(unordered(os.state), unordered(machine().state));
      strictEqual(new Journal(database).entries().length, 0);
    }),
    { numRuns: 60 },
  );
});

Deno.test("a restarted core keeps routing, takes over what is claimed again and drops the rest on settle", async () => {
  const { os, net, database } = start();
  await net.claim("a", "link", [ADDRESS, ROUTE, RULE]);
  await net.claim("a", "old", [FORWARD]);
  await net.claim("b", "nat", [{ kind: "nftTable", family: "ip", name: "otb_b", body: "" }]);
  const operations = os.history.length;

  const { net: next } = start(os, database);
  await next.reconcile();
  strictEqual(os.history.length, operations, "nothing is touched by starting");
  ok(next.claims().every(({ inherited }) => inherited));
  await next.claim("a", "link", [ADDRESS, ROUTE, RULE]);
  // Another plugin may take what was only inherited.
  await next.claim("c", "nat", [{ kind: "nftTable", family: "ip", name: "otb_b", body: "" }]);
  strictEqual(os.history.length, operations, "nor by claiming the same again");
  await next.settle();
  deepStrictEqual(next.claims().map(({ owner, key }) => `${owner} ${key}`), ["a link", "c nat"]);
  strictEqual(os.state.sysctls["net/ipv4/ip_forward"], "0");
});

Deno.test("a claim for a missing interface waits, and is applied when it comes", async () => {
  const { os, net } = start(new OsFake());
  const stop = new AbortController();
  const watching = net.watch(stop.signal);
  await net.claim("a", "link", [ADDRESS, ROUTE, RULE]);
  const states = () => net.claims()[0]!.resources.map(({ state }) => state);
  deepStrictEqual(states(), ["waiting", "waiting", "applied"]);
  os.plugIn(fakeInterface("wan1", 7));
  await net.reconcile();
  deepStrictEqual(states(), ["applied", "applied", "applied"]);
  os.pullOut("wan1");
  await net.reconcile();
  deepStrictEqual(states(), ["waiting", "waiting", "applied"]);
  stop.abort();
  await watching;
});

Deno.test("another owner's trouble does not fail a claim, and is logged once", async () => {
  const warnings: string[] = [];
  const { os, net } = start(machine(), undefined, {
    ...silent,
    warn: (_, about) => warnings.push(String(about?.resource)),
  });
  await net.claim("a", "link", [ADDRESS, ROUTE]);
  os.state.routes = [];
  os.failAfter(1);
  const up: Resource = { kind: "interfaceState", interface: "lo", up: true };
  await net.claim("b", "k", [FORWARD, up]);
  strictEqual(os.state.sysctls["net/ipv4/ip_forward"], "1");
  const [a] = net.claims();
  strictEqual(a!.resources[1]!.state, "failed");
  match(a!.resources[1]!.reason!, /out of luck/);
  os.failAfter(0);
  await net.reconcile();
  deepStrictEqual(warnings, ["route default via 10.0.5.1 dev wan1 table 105 proto 157"]);
  await net.reconcile();
  strictEqual(net.claims()[0]!.resources[1]!.state, "applied");
});

Deno.test("an nft table that somebody changed is put back; a preview runs nothing", async () => {
  const { os, net } = start();
  const table: Resource = { kind: "nftTable", family: "inet", name: "otb_x", body: "chain c { }" };
  deepStrictEqual(await net.preview([{ owner: "a", key: "k", resources: [table, FORWARD] }]), [
    "nft -f - <<END\nadd table inet otb_x\ndelete table inet otb_x\ntable inet otb_x {\nchain c { }\n}\nEND",
    'sysctl -w "net/ipv4/ip_forward=1"',
  ]);
  strictEqual(os.history.length, 0);
  await net.claim("a", "k", [table]);
  os.state.nftTables[0]!.hash = "meddled";
  await net.reconcile();
  strictEqual(os.state.nftTables[0]!.hash, "chain c { }");
  const operations = os.history.length;
  await net.reconcile();
  strictEqual(os.history.length, operations);
});

Deno.test("reconciles that wait share one turn, and observers hear only of differences", async () => {
  const { os, net } = start();
  let reads = 0;
  const observe = os.observe.bind(os);
  os.observe = (about, only) => (reads++, observe(about, only));
  let changes = 0;
  const stop = net.onObserved(() => changes++);
  await Promise.all([net.reconcile(), net.reconcile(), net.reconcile()]);
  strictEqual(reads, 1);
  await net.reconcile();
  strictEqual(changes, 1);
  os.pullOut("wan2");
  await net.reconcile();
  strictEqual(changes, 2);
  stop();
});

Deno.test("a change of what stands alone reads only that, and everything when the kernel refuses it", async () => {
  const { os, net } = start();
  await net.reconcile();
  const read: (string | undefined)[] = [];
  const observe = os.observe.bind(os);
  os.observe = (about, only) => (read.push(only && [...only.kinds].join()), observe(about, only));
  const table: Resource = { kind: "nftTable", family: "inet", name: "otb_x", body: "chain c { }" };
  await net.claim("a", "k", [table]);
  deepStrictEqual(read.splice(0), ["nftTable", "nftTable"]);
  await net.claim("a", "k", [table, ADDRESS]);
  deepStrictEqual(new Set(read.splice(0)), new Set([undefined]));
  // What was claimed before counts too: the address goes.
  await net.claim("a", "k", [table]);
  deepStrictEqual(new Set(read.splice(0)), new Set([undefined]));
  os.failAfter(0);
  await net.claim("a", "k", []);
  deepStrictEqual(read.includes(undefined), true);
  deepStrictEqual(os.state.nftTables, []);
});

Deno.test("while somebody listens to the kernel, only what changed, and what it never tells of, is read", async () => {
  const { os, net } = start();
  const stop = new AbortController();
  const watching = net.watch(stop.signal);
  await net.reconcile();
  const read: string[] = [];
  const observe = os.observe.bind(os);
  os.observe = (
    about,
    only,
  ) => (read.push(only ? [...only.kinds].sort().join() : "all"), observe(about, only));
  const table: Resource = { kind: "nftTable", family: "inet", name: "otb_x", body: "chain c { }" };
  await net.claim("a", "k", [table, RULE]);
  deepStrictEqual(read.splice(0), ["", "nftTable,rule"]);
  await net.claim("a", "k", [table, RULE]);
  deepStrictEqual(read.splice(0), [""]);
  await net.claim("b", "k", [FORWARD]);
  deepStrictEqual(read.splice(0), ["sysctl", "sysctl"]);
  await net.claim("c", "k", [ADDRESS]);
  deepStrictEqual(read.splice(0), ["", "all"], "much may come with an address");
  os.state.nftTables[0]!.hash = "meddled";
  os.tell({ kinds: new Set(["nftTable"]), flapped: new Set() });
  await net.release("b");
  deepStrictEqual(read.splice(0), ["nftTable", "nftTable", "sysctl", "sysctl"]);
  strictEqual(os.state.nftTables[0]!.hash, "chain c { }");
  await net.reconcile();
  deepStrictEqual(read.splice(0), ["all"], "who asks for everything gets everything");
  os.observe = () => Promise.reject(new Error("no descriptors"));
  os.tell({ kinds: new Set(["route"]), flapped: new Set() });
  await rejects(net.claim("d", "k", [RULE]));
  os.observe = (
    about,
    only,
  ) => (read.push(only ? [...only.kinds].sort().join() : "all"), observe(about, only));
  await net.claim("d", "k", [RULE]);
  deepStrictEqual(read.splice(0), ["all"], "what could not be read is not forgotten");
  stop.abort();
  await watching;
});

Deno.test("a sweep leaves the claim that shall outlast it, the next run inherits it, and lets it go when it has settled", async () => {
  const { os, database, net } = start();
  const table: Resource = { kind: "nftTable", family: "inet", name: "otb_kept", body: "chain c {}" };
  const tables = () => os.state.nftTables.map(({ name }) => name);
  await net.claim("core", "kept", [table]);
  await net.claim("qos", "k", [FORWARD, { ...table, name: "otb_other" } as Resource]);
  await net.sweep({ owner: "core", key: "kept" });
  deepStrictEqual(tables(), ["otb_kept"]);
  strictEqual(os.state.sysctls["net/ipv4/ip_forward"], "0");
  const { net: next } = start(os, database);
  await next.reconcile();
  await next.claim("qos", "k", [FORWARD]);
  deepStrictEqual(tables(), ["otb_kept"]);
  await next.settle();
  deepStrictEqual(tables(), []);
});

Deno.test("a sweep that the kernel refuses says what is left, and the next one finishes", async () => {
  const { os, net, database } = start();
  await net.claim("a", "link", [ADDRESS]);
  os.failAfter(0);
  await rejects(net.sweep(), {
    code: "sweep-incomplete",
    message: /address 10.0.5.2\/24 on wan1.*out of luck/,
  });
  await start(os, database).net.sweep();
  deepStrictEqual(unordered(os.state), unordered(machine().state));
});

Deno.test("what the kernel accepts but does not keep is refused, not believed", async () => {
  const { os, net } = start();
  const narrow: Resource = { kind: "rule", family: 4, priority: 1500, from: "10.0.5.2", table: 105 };
  await net.claim("a", "k", [narrow]);
  const before = structuredClone(os.state);
  await rejects(net.claim("b", "k", [{ kind: "rule", family: 4, priority: 1500, table: 105 }]), {
    code: "apply-failed",
    message: /not there afterwards/,
  });
  deepStrictEqual(os.state, before);
});

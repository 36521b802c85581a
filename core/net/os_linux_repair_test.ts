// Everything claimed that somebody takes away or changes comes back by itself: the real kernel, in a namespace.
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { Journal } from "./journal.ts";
import type { Resource } from "./model.ts";
import { Net } from "./net.ts";
import type { Operation } from "./os.ts";
import { OsLinux } from "./os_linux.ts";
import { EVERYTHING, Namespace, silent } from "./testing/namespace.ts";

/** What somebody else does, by what it harms. */
const HARMS: { [what: string]: string } = {
  "an ifb that was deleted": "ip link delete ifb7",
  "a macvlan that was deleted": "ip link delete mv1",
  "an interface that was switched off": "ip link set spare0 down",
  "one that was switched off and on": "ip link set wan0 down; ip link set wan0 up",
  "an address that was deleted": "ip address delete 192.168.10.2/24 dev wan0",
  "an IPv6 address that was deleted": "ip address delete fd00::2/64 dev wan0",
  "all addresses": "ip address flush dev wan0",
  "a neighbour that was deleted": "ip neighbour delete 192.168.10.1 dev mv1",
  "a neighbour that is no more permanent": "ip neighbour change 192.168.10.1 dev mv1 nud stale",
  "a route that was deleted": "ip route delete default table 201",
  "a route that was changed":
    "ip route change default via 192.168.10.1 dev wan0 metric 5 table 201 proto 157",
  "an IPv6 route that was deleted": "ip -6 route delete default table 201",
  "all routes of a table": "ip route flush table 202",
  "a rule that was deleted": "ip rule delete priority 1000",
  "an endpoint that was deleted": "ip mptcp endpoint delete id 1",
  "an endpoint that was changed": "ip mptcp endpoint change id 1 nobackup",
  "all endpoints": "ip mptcp endpoint flush",
  "limits that were changed": "ip mptcp limits set subflows 2 add_addr_accepted 0",
  "a setting that was changed": "echo 0 >/proc/sys/net/ipv4/ip_forward",
  "an interface's setting that was changed": "echo 0 >/proc/sys/net/ipv4/conf/wan0/rp_filter",
  "an nft table that was deleted": "nft delete table inet otb_test",
  "a ruleset that was flushed": "nft flush ruleset",
  "a chain that was emptied": "nft flush chain inet otb_test input",
  "a chain that was added": "nft add chain inet otb_test other",
  "a rule that was put before": "nft insert rule inet otb_test input drop",
  "a set that was emptied": "nft flush set inet otb_test ours",
  "an element that was removed": "nft delete element inet otb_test ours { 10.0.0.0/8 }",
  "an element that was added": "nft add element inet otb_test ours { 172.16.0.0/12 }",
  "a root qdisc that was deleted": "tc qdisc delete dev wan0 root",
  "one that was replaced": "tc qdisc replace dev wan0 root tbf rate 1mbit burst 10k latency 50ms",
  "an ingress qdisc that was deleted": "tc qdisc delete dev wan0 ingress",
  "a class that was deleted": "tc class delete dev ifb7 classid 1:10",
  "a class that was changed": "tc class change dev ifb7 parent 1: classid 1:10 htb rate 1mbit",
  "filters that were deleted": "tc filter delete dev wan0 ingress",
};

/** All that was claimed as the tools show it, without numbers and addresses that the kernel makes up anew. */
async function shown(namespace: Namespace): Promise<string> {
  const below = await namespace.run(
    "sh",
    "-c",
    "tc class show dev ifb7; tc filter show dev wan0 ingress; nft -s list ruleset",
  ).catch((error) => String(error));
  return `${await namespace.dump()}${below}`
    .replaceAll(/qdisc (\w+) [0-9a-f]+:/g, "qdisc $1")
    .replaceAll(/^\d+: (ifb7|mv0).*\n +link\/ether.*/gm, "$1")
    .replaceAll(/^\d+: /gm, "")
    .replaceAll(/^qdisc (pfifo_fast|noqueue).*\n?|(?<=mtu \d+ )qdisc \w+/gm, "")
    .replaceAll(/[ \t]*\b(index|ref|bind) \d+/g, "")
    .split("\n").filter((line) => line !== "" && !/fe80:|ff00::|valid_lft/.test(line)).map((line) =>
      line.trim()
    ).sort().join("\n");
}

/** Notes when it last did something, and how often it looked. */
class OsTimed extends OsLinux {
  appliedMs = 0;
  reads = 0;
  onRead: (kinds: string) => void = () => {};
  override observe(...about: Parameters<OsLinux["observe"]>): ReturnType<OsLinux["observe"]> {
    this.reads++;
    this.onRead(about[1] ? [...about[1].kinds].join() : "all");
    return super.observe(...about);
  }
  override async apply(operations: Operation[]): Promise<void> {
    await super.apply(operations);
    this.appliedMs = performance.now();
  }
}

/** A core over this kernel, that watches until the test ends. */
function watched(namespace: Namespace) {
  const os = new OsTimed({ namespace: namespace.name });
  const calm = { ms: 0 };
  const net = new Net(
    os,
    new Journal(new DatabaseSync(":memory:")),
    silent,
    () => performance.now() + calm.ms,
  );
  const stop = new AbortController();
  return {
    ...{ net, os, calm },
    start: () => {
      const done = net.watch(stop.signal);
      return { [Symbol.asyncDispose]: () => (stop.abort(), done) };
    },
  };
}

/** Waits until `holds`; fails after ten seconds. */
async function until(holds: () => Promise<boolean>, what: () => string): Promise<void> {
  const startMs = performance.now();
  while (!await holds()) {
    ok(performance.now() - startMs < 10_000, `not within 10 s: ${what()}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function untilCalm(os: OsTimed): Promise<void> {
  await until(async () => {
    const { reads } = os;
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    return os.reads === reads;
  }, () => "where nothing changes, nothing is read anew");
}

function difference(before: string, now: string): string {
  const [a, b] = [before.split("\n"), now.split("\n")];
  return [
    ...a.filter((line) => !b.includes(line)).map((line) => `- ${line}`),
    ...b.filter((line) => !a.includes(line)).map((line) => `+ ${line}`),
  ].join("\n");
}

const inKernel = { sanitizeOps: false, sanitizeResources: false };

Deno.test(
  "everything claimed that vanishes or is changed behind our back is as it was, within moments",
  inKernel,
  async (t) => {
    await using namespace = await Namespace.create();
    const { net, os, calm, start } = watched(namespace);
    await net.claim("test", "all", EVERYTHING);
    await using _watching = start();
    const before = await shown(namespace);
    const figures: string[] = [];
    for (const [what, command] of Object.entries(HARMS)) {
      await t.step(what, async () => {
        // Long ago, or it would be a fight.
        calm.ms += 1_000_000;
        const startMs = performance.now();
        await namespace.run("sh", "-ec", command);
        const harmedMs = performance.now();
        let now = "";
        await until(async () => (now = await shown(namespace)) === before, () => difference(before, now));
        ok(os.appliedMs > startMs, "the harm is seen by the tools, and was repaired");
        // The first look after a repair shows what the kernel makes of it: a harm before that look would count as ours.
        await net.reconcile();
        figures.push(`${what} ${Math.round(os.appliedMs - harmedMs)} ms`);
        deepStrictEqual(net.claims()[0]!.resources.filter(({ state }) => state === "failed"), []);
      });
    }
    console.log(`put back after: ${figures.join(", ")}`);
    deepStrictEqual(await net.preview([]), []);
    await untilCalm(os);
  },
);

Deno.test(
  "what the kernel tells nothing of is put back also before the first look, again at once, and after a preview",
  inKernel,
  async () => {
    await using namespace = await Namespace.create();
    const { net, calm, start } = watched(namespace);
    await net.claim("test", "all", EVERYTHING);
    await using _watching = start();
    await net.reconcile();
    const endpoint = async () =>
      (await namespace.run("ip", "mptcp", "endpoint")).includes("id 1 subflow backup");
    for (const when of ["first", "again", "once more"]) {
      calm.ms += 1_000_000;
      await namespace.run("ip", "mptcp", "endpoint", "change", "id", "1", "nobackup");
      await until(endpoint, () => `the endpoint, ${when}`);
    }
    const forward = async () => (await namespace.run("cat", "/proc/sys/net/ipv4/ip_forward")).trim() === "1";
    await namespace.run("sh", "-c", "echo 0 >/proc/sys/net/ipv4/ip_forward");
    await net.preview([]);
    await until(forward, () => "the setting");
  },
);

Deno.test(
  "while the core listens, a claim reads nothing that did not change, and puts back what somebody undid just before",
  inKernel,
  async () => {
    await using namespace = await Namespace.create();
    const { net, os, start } = watched(namespace);
    await using _watching = start();
    await net.claim("test", "all", EVERYTHING);
    await untilCalm(os);
    const reads: string[] = [];
    os.onRead = (kinds) => reads.push(kinds);
    const more: Resource = { kind: "rule", family: 4, priority: 1500, from: "10.7.0.1", table: 201 };
    await net.claim("test", "more", [more]);
    deepStrictEqual(reads.slice(0, 2), ["", "rule"]);
    await namespace.run("ip", "rule", "delete", "priority", "1000");
    await net.claim("test", "more", []);
    match(await namespace.run("ip", "rule"), /from 192\.168\.10\.2 lookup 201/);
    strictEqual((await namespace.run("ip", "rule")).includes("10.7.0.1"), false);
  },
);

const FILLED: Resource = {
  kind: "nftTable",
  family: "inet",
  name: "otb_test",
  body: `set answers { type ipv4_addr; flags timeout; timeout 60s; }
set callers { type ipv4_addr; size 10; flags dynamic; }
chain c { type filter hook output priority 0; policy accept; add @callers { ip daddr } counter; }`,
};

Deno.test("what DNS and rules put into sets, and what counters count, is no change", inKernel, async () => {
  await using namespace = await Namespace.create();
  const { net, start } = watched(namespace);
  await net.claim("test", "table", [FILLED]);
  await using _watching = start();
  const handles = () => namespace.run("nft", "-a", "-s", "-t", "list", "ruleset");
  const before = await handles();
  await namespace.run("nft", "add element inet otb_test answers { 10.1.1.1 }");
  await namespace.run("ping", "-c", "1", "127.0.0.1");
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  strictEqual(await handles(), before, "nothing was made anew");
  const sets = await namespace.run("nft", "list", "ruleset");
  match(sets, /10\.1\.1\.1/);
  match(sets, /elements = \{ 127\.0\.0\.1/);
});

Deno.test(
  "what somebody undoes again and again is put back ever later, is named, and is there once they stop",
  inKernel,
  async () => {
    await using namespace = await Namespace.create();
    const { net, start } = watched(namespace);
    const rule: Resource = { kind: "rule", family: 4, priority: 1000, from: "10.0.0.1", table: 201 };
    await net.claim("test", "rule", [rule, { kind: "sysctl", name: "net/ipv4/ip_forward", value: "1" }]);
    await using _watching = start();
    const isThere = async () => (await namespace.run("ip", "rule")).includes("10.0.0.1");
    let undone = 0;
    for (const end = performance.now() + 6_000; performance.now() < end;) {
      if (await isThere()) {
        await namespace.run("ip", "rule", "delete", "priority", "1000");
        undone++;
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    // At once three times, then after one, two and four seconds; at full speed it would be forty.
    ok(undone >= 3 && undone <= 7, `put back ${undone} times in 6 s`);
    const [fight, ...others] = net.fights();
    match(fight!.resource, /^rule from 10\.0\.0\.1 priority 1000/);
    strictEqual(others.length, 0);
    match(net.claims()[0]!.resources[0]!.reason ?? "", /keeps undoing it/);
    // Other things are put back at once meanwhile.
    const forward = ["cat", "/proc/sys/net/ipv4/ip_forward"];
    await namespace.run("sh", "-c", `echo 0 >${forward[1]}`);
    await until(async () => (await namespace.run(...forward)).trim() === "1", () => "the setting");
    await until(isThere, () => "the rule");
  },
);

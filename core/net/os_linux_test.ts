import { deepStrictEqual, match, ok, rejects, strictEqual } from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { Journal } from "./journal.ts";
import { identity, type MptcpEndpointResource, type Resource } from "./model.ts";
import { Net } from "./net.ts";
import { OsLinux } from "./os_linux.ts";
import { EVERYTHING, Namespace, silent } from "./testing/namespace.ts";
import { wishes } from "./testing/wishes.ts";

function inKernel(name: string) {
  return { name, ignore: Deno.uid() !== 0 || Deno.build.os !== "linux" };
}

Deno.test(
  inKernel("every kind goes into the kernel, is found there unchanged, and leaves no trace"),
  async () => {
    await using namespace = await Namespace.create();
    const before = await namespace.dump();
    const os = new OsLinux({ namespace: namespace.name });
    const database = new DatabaseSync(":memory:");
    const net = new Net(os, new Journal(database), silent);
    await net.claim("test", "all", EVERYTHING);

    for (const { resources } of net.claims()) {
      for (const { resource, state, reason } of resources) {
        strictEqual(
          state,
          "applied",
          `${identity(resource)}: ${reason}`,
        );
      }
    }
    deepStrictEqual(await net.preview([{ owner: "test", key: "all", resources: EVERYTHING }]), []);
    match(
      await namespace.run("ip", "route", "show", "table", "201"),
      /proto 157 .*src 192.168.10.2 metric 5 mtu 1400/,
    );
    match(await namespace.run("tc", "class", "show", "dev", "ifb7"), /htb 1:10/);
    match(await namespace.run("nft", "list", "ruleset"), /table inet otb_test/);
    strictEqual(await namespace.run("cat", "/proc/sys/net/ipv4/ip_forward"), "1\n");

    await net.release("test");
    strictEqual(await namespace.dump(), before);
    strictEqual(new Journal(database).entries().length, 0);
  },
);

const LINK: Resource[] = [
  { kind: "address", interface: "wan0", cidr: "10.1.0.2/24" },
  {
    kind: "route",
    family: 4,
    table: 101,
    to: "default",
    via: "10.1.0.1",
    interface: "wan0",
    source: "10.1.0.2",
  },
  { kind: "rule", family: 4, priority: 1000, from: "10.1.0.2", table: 101 },
];
const ENDPOINT: MptcpEndpointResource = {
  kind: "mptcpEndpoint",
  id: 1,
  address: "10.1.0.2",
  interface: "wan0",
  flags: ["subflow"],
};

Deno.test(
  inKernel(
    "a neighbour is fixed even where the kernel learned another; a macvlan of another address is made anew",
  ),
  async () => {
    await using namespace = await Namespace.create();
    await namespace.run("ip", "neigh", "add", "10.1.0.1", "lladdr", "02:00:00:00:00:09", "dev", "wan0");
    await namespace.run("ip", "neigh", "change", "10.1.0.1", "dev", "wan0", "nud", "stale");
    const { net } = netOf(namespace);
    const wish = (mac: string): Resource[] => [
      { kind: "interface", name: "mv0", type: "macvlan", parent: "wan0", mac, up: true },
      { kind: "neighbour", interface: "mv0", address: "10.1.0.1", mac: "02:00:00:00:00:01" },
      { kind: "neighbour", interface: "wan0", address: "10.1.0.1", mac: "02:00:00:00:00:01" },
    ];
    for (const mac of ["02:00:00:00:00:aa", "02:00:00:00:00:bb"]) {
      await net.claim("test", "all", wish(mac));
      match(await namespace.run("ip", "link", "show", "mv0"), new RegExp(mac));
      for (const device of ["mv0", "wan0"]) {
        match(
          await namespace.run("ip", "neigh", "show", "dev", device),
          /10\.1\.0\.1 lladdr 02:00:00:00:00:01 PERMANENT/,
        );
      }
    }
    await net.release("test");
    strictEqual(await namespace.run("ip", "neigh", "show", "nud", "permanent"), "");
  },
);

/** A Net over a namespace, with its journal in memory. */
function netOf(namespace: Namespace) {
  const database = new DatabaseSync(":memory:");
  const os = new OsLinux({ namespace: namespace.name });
  return { database, os, net: new Net(os, new Journal(database), silent) };
}

/** What a roll-back had to make anew has new numbers and default qdiscs, and comes last. */
const unnumbered = (dump: string) =>
  dump.replaceAll(/qdisc (\w+) [0-9a-f]+:/g, "qdisc $1")
    .replaceAll(/^\d+: (ifb0.*\n +link\/ether) \S+/gm, "$1")
    .replaceAll(/^qdisc pfifo_fast.*\n?|(?<=mtu \d+ )qdisc \w+/gm, "")
    .replaceAll(/^.*fe80::.*\n( +valid_lft.*\n)?/gm, "")
    .split("\n").filter(Boolean).map((line) => line.trim()).sort().join("\n");

/** Waits until `holds`, at most five seconds. */
async function eventually(holds: () => Promise<boolean> | boolean, what: string) {
  for (const end = performance.now() + 5000; performance.now() < end;) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`not within 5 s: ${what}`);
}

Deno.test(inKernel("a change touches only what changed"), async () => {
  await using namespace = await Namespace.create();
  const { net } = netOf(namespace);
  await net.claim("test", "link", [...LINK, ENDPOINT]);
  const preview = (endpoint: MptcpEndpointResource, link = LINK) =>
    net.preview([{ owner: "test", key: "link", resources: [...link, endpoint] }]);

  deepStrictEqual(await preview({ ...ENDPOINT, flags: ["subflow", "backup"] }), [
    "ip mptcp endpoint change id 1 backup nofullmesh",
  ]);
  deepStrictEqual(await preview({ ...ENDPOINT, generation: 2 }), [
    "ip mptcp endpoint delete id 1",
    "ip mptcp endpoint add 10.1.0.2 id 1 dev wan0 subflow",
  ]);
  deepStrictEqual(
    await preview(ENDPOINT, LINK.map((resource) => ({ ...resource, table: 102 }) as Resource)),
    [
      "ip -4 route delete default via 10.1.0.1 dev wan0 table 101 proto 157",
      "ip -4 route add default via 10.1.0.1 dev wan0 table 102 proto 157 src 10.1.0.2",
      "ip -4 rule add from 10.1.0.2 priority 1000 lookup 102 protocol 157",
      "ip -4 rule delete from 10.1.0.2 priority 1000 lookup 101 protocol 157",
    ],
  );

  await net.claim("test", "link", [...LINK, { ...ENDPOINT, flags: ["subflow", "backup"] }]);
  match(await namespace.run("ip", "mptcp", "endpoint"), /subflow backup/);
  await net.claim("test", "link", LINK.map((resource) => ({ ...resource, table: 102 }) as Resource));
  match(await namespace.run("ip", "rule"), /from 10.1.0.2 lookup 102 proto 157/);
  ok(!(await namespace.run("ip", "rule")).includes("lookup 101"));
  strictEqual(await namespace.run("ip", "mptcp", "endpoint"), "");
});

Deno.test(
  inKernel("classes change their rates, come and go in place: no packet's count is lost"),
  async () => {
    await using namespace = await Namespace.create();
    const { net } = netOf(namespace);
    const tree = (rate: string, limit: number, classes: number[]): Resource[] => [{
      kind: "qdisc",
      interface: "wan0",
      parent: "root",
      spec: "handle 1: htb default 2".split(" "),
      then: [
        `class add dev wan0 parent 1: classid 1:10 htb rate ${rate}`.split(" "),
        ...classes.flatMap((id) => [
          `class add dev wan0 parent 1:10 classid 1:${id} htb rate 1mbit ceil ${rate} prio ${id}`.split(" "),
          `qdisc add dev wan0 parent 1:${id} bfifo limit ${limit}`.split(" "),
        ]),
      ],
    }];
    const shown = () => namespace.run("tc", "-s", "class", "show", "dev", "wan0");
    const sent = async () => Number(/htb 1:2 .*\n Sent (\d+) bytes/.exec(await shown())![1]);
    await net.claim("test", "shape", tree("5mbit", 20_000, [1, 2]));
    await namespace.run("ip", "address", "add", "10.1.0.2/24", "dev", "wan0");
    // Nobody answers: it is what leaves that counts.
    await namespace.run("ping", "-c1", "-W1", "-I", "wan0", "10.1.0.9").catch(() => {});
    const before = await sent();
    ok(before > 0, await shown());

    deepStrictEqual(
      await net.preview([{ owner: "test", key: "shape", resources: tree("6mbit", 20_000, [2, 3]) }]),
      [
        "tc qdisc delete dev wan0 parent 1:1",
        "tc class delete dev wan0 classid 1:1",
        "tc class change dev wan0 parent 1: classid 1:10 htb rate 6mbit",
        "tc class change dev wan0 parent 1:10 classid 1:2 htb rate 1mbit ceil 6mbit prio 2",
        "tc class add dev wan0 parent 1:10 classid 1:3 htb rate 1mbit ceil 6mbit prio 3",
        "tc qdisc add dev wan0 parent 1:3 bfifo limit 20000",
      ],
    );
    await net.claim("test", "shape", tree("6mbit", 20_000, [2, 3]));
    match(await shown(), /htb 1:10 root rate 6Mbit/);
    match(await shown(), /htb 1:3 parent 1:10/);
    ok(!(await shown()).includes("htb 1:1 "));
    await net.claim("test", "shape", tree("6mbit", 30_000, [2, 3]));
    match(await namespace.run("tc", "qdisc", "show", "dev", "wan0"), /bfifo .* parent 1:2 limit 30000b/);
    ok(await sent() >= before, "its counters are those of the class that was there");

    // Who took the whole away gets it back whole.
    await namespace.run("tc", "qdisc", "delete", "dev", "wan0", "root");
    await net.reconcile();
    match(await shown(), /htb 1:3 parent 1:10/);
    await net.release("test");
    strictEqual(await shown(), "");
  },
);

Deno.test(inKernel("what the user configured himself is used and never deleted"), async () => {
  await using namespace = await Namespace.create();
  await namespace.run("ip", "address", "add", "10.1.0.2/24", "dev", "wan0");
  await namespace.run("sysctl", "-qw", "net.ipv4.ip_forward=1");
  const before = await namespace.dump();
  const { net, os, database } = netOf(namespace);
  const resources: Resource[] = [...LINK, { kind: "sysctl", name: "net/ipv4/ip_forward", value: "1" }];
  await net.claim("test", "link", resources);
  deepStrictEqual(net.claims()[0]!.resources.map(({ state }) => state), [
    "foreign",
    "applied",
    "applied",
    "foreign",
  ]);
  // Also after a restart of the core it is known whose it is.
  await new Net(os, new Journal(database), silent).settle();
  strictEqual(await namespace.dump(), before);
});

Deno.test(inKernel("a route that somebody else made is refused, not replaced"), async () => {
  await using namespace = await Namespace.create();
  const { net } = netOf(namespace);
  await namespace.run("ip", "address", "add", "10.1.0.2/24", "dev", "wan0");
  await namespace.run("ip", "route", "add", "default", "via", "10.1.0.9", "table", "101");
  const before = await namespace.dump();
  await rejects(net.claim("test", "link", LINK), { code: "claim-conflict", message: /"the system"/ });
  strictEqual(await namespace.dump(), before);
});

Deno.test(inKernel("what the kernel refuses is rolled back, with the kernel's own words"), async () => {
  await using namespace = await Namespace.create();
  const { net } = netOf(namespace);
  await net.claim("test", "link", LINK);
  await net.claim("test", "table", [{ kind: "nftTable", family: "ip", name: "otb_a", body: "chain c { }" }]);
  const before = await namespace.dump();
  const half = EVERYTHING.filter(({ kind }) => kind === "sysctl" || kind === "mptcpLimits");
  for (
    const [refused, text] of [
      [
        { kind: "qdisc", interface: "wan0", parent: "root", spec: ["bogus"] },
        /tc qdisc add dev wan0 root bogus.*kind is unknown/s,
      ],
      [
        { kind: "nftTable", family: "ip", name: "otb_a", body: "chain c { nonsense; }" },
        /nft -f - .*nonsense/s,
      ],
      [{ kind: "sysctl", name: "net/ipv4/not_there", value: "1" }, /not_there/],
      [
        { kind: "route", family: 4, table: 7, to: "default", via: "172.31.0.1", interface: "wan0" },
        /ip -4 route add default via 172.31.0.1 .*invalid gateway/s,
      ],
      [{ ...ENDPOINT, flags: ["subflow"], id: 9, address: "10.1.0.2", interface: "wan0" }, undefined],
    ] as [Resource, RegExp | undefined][]
  ) {
    const key = refused.kind === "nftTable" ? "table" : "new";
    if (text) {
      await rejects(net.claim("test", key, [...half, refused]), { code: "apply-failed", message: text });
    } else {
      await net.claim("test", key, [...half, refused]);
      await net.claim("test", key, []);
    }
    strictEqual(await namespace.dump(), before, `after ${refused.kind}`);
  }
  deepStrictEqual(net.claims().map(({ key }) => key).sort(), ["link", "table"]);
});

Deno.test(inKernel("a link that flaps or is pulled out gets everything back"), async () => {
  await using namespace = await Namespace.create();
  const { net } = netOf(namespace);
  const stop = new AbortController();
  const whole = async () =>
    (await namespace.run("ip", "route", "show", "table", "all")).includes("default via 10.1.0.1") &&
    (await namespace.run("ip", "mptcp", "endpoint")).includes("10.1.0.2 id 1 subflow dev wan0") &&
    (await namespace.run("tc", "qdisc", "show", "dev", "wan0")).includes("tbf");
  const qdisc = EVERYTHING.find((resource) => resource.kind === "qdisc" && resource.parent === "root")!;
  try {
    net.watch(stop.signal);
    await net.claim("test", "link", [...LINK, ENDPOINT, qdisc]);
    ok(await whole());
    await namespace.run("ip", "link", "set", "wan0", "down");
    await eventually(() => net.claims()[0]!.resources[1]!.state === "waiting", "the route waits");
    ok(!(await whole()));
    await namespace.run("ip", "link", "set", "wan0", "up");
    await eventually(whole, "all is back after a flap");

    // Who flushes our routes gets them back.
    await namespace.run("ip", "route", "flush", "table", "101");
    await eventually(whole, "all is back after a flush");

    await namespace.run("ip", "link", "delete", "wan0");
    await eventually(() => net.claims()[0]!.resources[0]!.state === "waiting", "the address waits");
    match(net.claims()[0]!.resources[0]!.reason!, /wan0 is not there/);
    await namespace.plugIn();
    await eventually(whole, "all is back after a new plug");
    strictEqual(net.observed?.interfaces.some(({ name }) => name === "wan0"), true);
  } finally {
    stop.abort();
    await net.reconcile();
  }
});

Deno.test(
  inKernel("routes through a TUN device wait for it, and are back with it when its plugin starts anew"),
  async () => {
    await using namespace = await Namespace.create();
    const { net } = netOf(namespace);
    const stop = new AbortController();
    const wish = ([4, 6] as const).flatMap((family): Resource[] => [
      { kind: "address", interface: "otb0", cidr: family === 4 ? "10.158.0.1/32" : "fd00:158::1/128" },
      { kind: "route", family, table: 1158, to: "default", interface: "otb0" },
      {
        kind: "rule",
        family,
        priority: 950,
        inputInterface: "wan0",
        mark: "0x0/0xff00",
        table: 1158,
      },
    ]);
    const states = () => new Set(net.claims()[0]!.resources.map(({ state }) => state));
    const way = async (family: 4 | 6, mark: string) => {
      const to = family === 4 ? "203.0.113.5" : "2001:db8::5";
      const words = [
        "route",
        "get",
        to,
        "from",
        family === 4 ? "10.9.9.9" : "fd09::9",
        "iif",
        "wan0",
        "mark",
        mark,
      ];
      return await namespace.run("ip", `-${family}`, ...words).catch((error) => String(error));
    };
    const plug = async () => {
      await namespace.run("ip", "tuntap", "add", "otb0", "mode", "tun");
      await namespace.run("ip", "link", "set", "otb0", "up");
    };
    const carried = async () =>
      (await Promise.all(([4, 6] as const).map((family) => way(family, "0")))).every((text) =>
        /dev otb0/.test(text)
      );
    try {
      for (const family of ["ipv4", "ipv6"]) {
        await namespace.run("sysctl", "-qw", `net.${family}.conf.all.forwarding=1`);
      }
      net.watch(stop.signal);
      await net.claim("tunnel", "way", wish);
      deepStrictEqual(states(), new Set(["waiting", "applied"]));
      await plug();
      await eventually(carried, "the routes come with the device");
      await eventually(() => !states().has("waiting"), "nothing waits any more");
      // What has the mark of a link is none of the tunnel's.
      for (const family of [4, 6] as const) ok(!/dev otb0/.test(await way(family, "0x100")));
      // Gone for a while, and back sooner than anybody looks.
      await namespace.run("ip", "link", "delete", "otb0");
      await eventually(() => states().has("waiting"), "they wait again");
      await plug();
      await eventually(carried, "the routes come back");
      await namespace.run("ip", "link", "delete", "otb0");
      await plug();
      await eventually(carried, "the routes come back at once");
      await net.release("tunnel");
      strictEqual((await namespace.run("ip", "-4", "route", "show", "table", "all")).includes("1158"), false);
    } finally {
      stop.abort();
      await net.reconcile();
    }
  },
);

Deno.test(
  inKernel("a core killed with -9 at any moment leaves nothing that a sweep does not find"),
  async () => {
    await using namespace = await Namespace.create();
    const before = await namespace.dump();
    const directory = await Deno.makeTempDir({ prefix: "otb-net-" });
    try {
      const path = `${directory}/state.sqlite`;
      const script = new URL("testdata/claim_forever.ts", import.meta.url).pathname;
      for (const afterMs of [5, 60, 130, 210, 340]) {
        const child = new Deno.Command(Deno.execPath(), {
          args: ["run", "-A", script, namespace.name, path],
          stdout: "piped",
          stderr: "inherit",
        }).spawn();
        try {
          const reader = child.stdout.getReader();
          await reader.read();
          await new Promise((resolve) => setTimeout(resolve, afterMs));
          await reader.cancel();
        } finally {
          child.kill("SIGKILL");
          await child.status;
        }
        const database = new DatabaseSync(path);
        const os = new OsLinux({ namespace: namespace.name });
        const net = new Net(os, new Journal(database), silent);
        if (afterMs > 200) {
          // The restarted plugin takes over what it still wants; what nobody claims again goes.
          await net.claim("test", "link", LINK);
          await net.settle();
          deepStrictEqual(net.claims().map(({ owner, key }) => `${owner} ${key}`), ["test link"]);
        }
        await net.sweep();
        database.close();
        strictEqual(await namespace.dump(), before, `killed after ${afterMs} ms`);
      }
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  },
);

Deno.test(inKernel("whatever two owners want, taken or refused, the kernel ends as it began"), async () => {
  await using namespace = await Namespace.create();
  for (const [name, cidr] of [["wan1", "10.0.1.2/24"], ["wan2", "10.0.4.2/24"]] as const) {
    await namespace.plugIn(name);
    await namespace.run("ip", "address", "add", cidr, "dev", name);
  }
  const empty = await namespace.dump();
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.constantFrom("a", "b"), wishes), { maxLength: 4 }),
      fc.boolean(),
      async (turns, isWatched) => {
        const { net } = netOf(namespace);
        const stop = new AbortController();
        const watching = isWatched ? net.watch(stop.signal) : undefined;
        for (const [owner, resources] of turns) {
          const before = await namespace.dump();
          try {
            await net.claim(owner, "k", resources);
          } catch (error) {
            match((error as { code: string }).code, /^(apply-failed|claim-conflict)$/, String(error));
            strictEqual(unnumbered(await namespace.dump()), unnumbered(before), String(error));
          }
          deepStrictEqual(await net.preview([]), []);
        }
        await net.sweep();
        stop.abort();
        await watching;
        strictEqual(await namespace.dump(), empty);
      },
    ),
    { numRuns: Number(Deno.env.get("OTB_NET_RUNS") ?? 8), endOnFailure: true },
  );
});

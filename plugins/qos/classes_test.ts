import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { canonical } from "../../core/net/canonical.ts";
import { Journal } from "../../core/net/journal.ts";
import { Net } from "../../core/net/net.ts";
import { OsLinux } from "../../core/net/os_linux.ts";
import { Namespace, silent } from "../../core/net/testing/namespace.ts";
import type { Resource } from "@otb/plugin";
import { arrivalCap, CLASS, linkQdisc, linkTable, uplinkQdisc, uplinkTable } from "./classes.ts";
import { guessLayer } from "./layer.ts";

const shape = { bitsPerSecond: 10_000_000, layer: "ethernet", callsShare: 0.7 } as const;
const nobody = { high: [], low: [] };

function inKernel(name: string) {
  return { name, ignore: Deno.uid() !== 0 || Deno.build.os !== "linux" };
}

Deno.test("HTB: four shares that make one whole, calls first and bounded, queues of 20 ms", () => {
  const qdisc = linkQdisc("wan1", shape, false);
  assert.ok(qdisc.kind === "qdisc");
  assert.deepEqual(qdisc.spec, ["handle", "1:", "htb", "default", "2"]);
  assert.deepEqual(qdisc.then!.map((line) => line.slice(4).join(" ")), [
    "parent 1: classid 1:f htb rate 10000000bit ceil 10000000bit burst 3028 cburst 3028 quantum 3028 overhead 24 linklayer ethernet",
    "parent 1:f classid 1:4 htb rate 7000000bit ceil 7000000bit prio 0 burst 3028 cburst 3028 quantum 3028 overhead 24 linklayer ethernet",
    "parent 1:4 bfifo limit 25000",
    "parent 1:f classid 1:3 htb rate 1500000bit ceil 10000000bit prio 1 burst 3028 cburst 3028 quantum 3028 overhead 24 linklayer ethernet",
    "parent 1:3 bfifo limit 25000",
    "parent 1:f classid 1:2 htb rate 1050000bit ceil 10000000bit prio 2 burst 3028 cburst 3028 quantum 3028 overhead 24 linklayer ethernet",
    "parent 1:2 bfifo limit 25000",
    "parent 1:f classid 1:1 htb rate 450000bit ceil 10000000bit prio 3 burst 3028 cburst 3028 quantum 3028 overhead 24 linklayer ethernet",
    "parent 1:1 bfifo limit 25000",
  ]);
  canonical(qdisc);
});

Deno.test("CAKE: one line with the overhead of what is below", () => {
  const said = (layer: "adsl" | "vdsl" | "mobile") => {
    const qdisc = canonical(linkQdisc("wan1", { ...shape, layer }, true));
    return qdisc.kind === "qdisc" && qdisc.spec.join(" ");
  };
  assert.equal(said("adsl"), "handle 1: cake bandwidth 10000000bit diffserv4 overhead 44 atm");
  assert.equal(said("vdsl"), "handle 1: cake bandwidth 10000000bit diffserv4 overhead 34 noatm");
  assert.equal(said("mobile"), "handle 1: cake bandwidth 10000000bit diffserv4 overhead 0 noatm");
});

Deno.test("the layer is guessed by driver, PPP and rate", () => {
  const device = { name: "eth1", hardware: 1 };
  assert.equal(guessLayer(undefined, undefined), "ethernet");
  assert.equal(guessLayer(device, 1e6), "ethernet");
  assert.equal(guessLayer({ ...device, driver: "qmi_wwan" }, undefined), "mobile");
  assert.equal(guessLayer({ name: "ppp0", hardware: 512 }, 1e6), "adsl");
  assert.equal(guessLayer({ name: "ppp0", hardware: 512 }, 10e6), "vdsl");
});

/** A namespace with these resources in its kernel. */
async function claimed(resources: Resource[]) {
  const namespace = await Namespace.create();
  const net = new Net(
    new OsLinux({ namespace: namespace.name }),
    new Journal(new DatabaseSync(":memory:")),
    silent,
  );
  await net.claim("qos", "all", resources);
  return { namespace, net };
}

/** Bytes that each class of `wan0` has sent, by number. */
async function sentBy(namespace: Namespace): Promise<Record<string, number>> {
  const shown = await namespace.run("tc", "-s", "class", "show", "dev", "wan0");
  return Object.fromEntries(
    [...shown.matchAll(/^class htb 1:(\S+) .*\n Sent (\d+) bytes/gm)].map((
      [, id, bytes],
    ) => [id, Number(bytes)]),
  );
}

/** Sends one datagram of 100 bytes over `wan0`. */
async function send(namespace: Namespace, tos: number, port: number): Promise<void> {
  const code = `import socket as s
u = s.socket(s.AF_INET, s.SOCK_DGRAM); u.setsockopt(s.IPPROTO_IP, s.IP_TOS, ${tos})
u.sendto(b"x" * 100, ("10.1.0.9", ${port}))`;
  await namespace.run("python3", "-c", code);
}

const CASES: [tos: number, port: number, name: keyof typeof CLASS][] = [
  [0xb8, 8443, "calls"],
  [0xc0, 8443, "calls"],
  [0x80, 8443, "interactive"],
  [0x88, 8443, "interactive"],
  [0x20, 8443, "bulk"],
  [0, 8443, "normal"],
  [0, 3478, "calls"],
  [0, 4500, "calls"],
  [0, 53, "interactive"],
];

Deno.test(inKernel("packets are in their classes: by mark, by port, and the rest"), async () => {
  const { namespace, net } = await claimed([
    linkQdisc("wan0", shape, false),
    ...linkTable(["wan0", "wan9"], "lan0", { high: ["02:00:00:00:00:01"], low: ["02:00:00:00:00:02"] }),
  ]);
  await using _ = namespace;
  await namespace.run("ip", "address", "add", "10.1.0.2/24", "dev", "wan0");
  await namespace.run("ip", "neigh", "add", "10.1.0.9", "lladdr", "02:00:00:00:00:09", "dev", "wan0");
  for (const [tos, port, name] of CASES) {
    const before = await sentBy(namespace);
    await send(namespace, tos, port);
    const after = await sentBy(namespace);
    const grown = Object.keys(after).filter((id) => id !== "f" && after[id]! > before[id]!);
    assert.deepEqual(grown, [String(CLASS[name])], `TOS ${tos}, port ${port}`);
  }
  // Another rate is a change in place.
  const next = linkQdisc("wan0", { ...shape, bitsPerSecond: 9_000_000 }, false);
  const preview = await net.preview([{ owner: "qos", key: "next", resources: [] }]);
  assert.deepEqual(preview, []);
  await net.claim("qos", "all", [next]);
  assert.ok((await sentBy(namespace))[CLASS.calls]! > 0);
});

Deno.test(
  inKernel("at the peer each address has its own classes, and what goes elsewhere is as before"),
  async () => {
    const groups = [{ group: 1, address: "10.1.0.9" }, { group: 3, address: "fd00::9" }];
    const { namespace } = await claimed([
      uplinkQdisc("wan0", groups.map(({ group }) => ({ group, ...shape }))),
      ...uplinkTable(groups),
    ]);
    await using _ = namespace;
    await namespace.run("ip", "address", "add", "10.1.0.2/24", "dev", "wan0");
    await namespace.run("ip", "neigh", "add", "10.1.0.9", "lladdr", "02:00:00:00:00:09", "dev", "wan0");
    await send(namespace, 0xb8, 8443);
    await send(namespace, 0, 8443);
    const sent = await sentBy(namespace);
    assert.deepEqual(Object.keys(sent).filter((id) => sent[id]! > 0).sort(), ["12", "14", "1f"]);
    assert.ok("34" in sent);
  },
);

Deno.test(inKernel("a cap on arrival, and nothing where nothing is to be held"), async () => {
  const { namespace, net } = await claimed(arrivalCap("wan0", "otb-ifb1", 8e6));
  await using _ = namespace;
  assert.match(await namespace.run("tc", "qdisc", "show", "dev", "otb-ifb1"), /tbf .*rate 8Mbit/);
  await net.release("qos");
  assert.deepEqual([linkTable([], "lan0", nobody), uplinkTable([])], [[], []]);
});

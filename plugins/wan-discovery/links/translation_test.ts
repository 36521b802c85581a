// Two links with one address, over the kernel: each is reached by its own, its modem sees what it gave, and errors are heard.
import { deepEqual, match, strictEqual } from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { Journal } from "../../../core/net/journal.ts";
import type { Resource } from "../../../core/net/model.ts";
import { Net } from "../../../core/net/net.ts";
import { OsLinux } from "../../../core/net/os_linux.ts";
import { silent } from "../../../core/net/testing/namespace.ts";
import { linkResources } from "./claims.ts";
import type { PlannedLink } from "../search/known.ts";

const GIVEN = "192.168.8.100", LOCAL = "192.168.8.105", FAR = "203.0.113.9";

function link(slot: number): PlannedLink {
  const device = `usb${slot}`, mac = "02:00:5e:10:77:01";
  return {
    ...{ name: device, id: `${mac}@${device}`, mac, slot, present: true, interface: device, device },
    ...{
      deviceMac: "",
      onLan: false,
      gateway: "192.168.8.1",
      prefixLength: 24,
      fixed: false,
      description: "",
    },
  };
}

/** What the owner of links adds: each source has a table of its own. */
function wayOf(slot: number, source: string): Resource[] {
  const table = 100 + slot, device = `usb${slot}`;
  return [
    { kind: "rule", family: 4, priority: 1000, from: source, table },
    { kind: "route", family: 4, table, to: "default", via: "192.168.8.1", interface: device, source },
  ];
}

Deno.test({
  name:
    "two links with one address: each modem sees the one that it gave, asks for it and is answered, and its errors arrive",
  ignore: Deno.uid() !== 0 || Deno.build.os !== "linux",
  async fn() {
    const prefix = `otb${Deno.pid}t`;
    const spaces = ["box", "m1", "m2"].map((name) => `${prefix}${name}`);
    const [box, ...modems] = spaces as [string, string, string];
    try {
      for (const space of spaces) await sh(`ip netns add ${space}; ip -n ${space} link set lo up`);
      for (const [index, modem] of modems.entries()) {
        await sh(`
          ip link add usb${index + 1} netns ${box} type veth peer name lan netns ${modem}
          ip -n ${modem} link set lan address 02:00:5e:10:77:01 up
          ip -n ${modem} address add 192.168.8.1/24 dev lan
          ip -n ${modem} address add ${FAR}/32 dev lo
          ip -n ${box} link set usb${index + 1} up
          ip netns exec ${modem} sysctl -qw net.ipv4.ip_forward=1
          ip -n ${modem} link add narrow mtu 1300 type veth peer name end
          ip -n ${modem} link set narrow up; ip -n ${modem} link set end up
          ip -n ${modem} address add 198.51.100.1/24 dev narrow`);
      }
      const net = new Net(new OsLinux({ namespace: box }), new Journal(new DatabaseSync(":memory:")), silent);
      const grant = { address: GIVEN, prefixLength: 24, router: "192.168.8.1", dns: [] };
      const one = [...linkResources(link(1), grant), ...wayOf(1, GIVEN)];
      const other = [...linkResources(link(2), { ...grant, local: LOCAL }), ...wayOf(2, LOCAL)];
      await net.claim("test", "one", one);
      await net.claim("test", "other", other);
      deepEqual(
        net.claims().flatMap(({ resources }) => resources.filter(({ state }) => state !== "applied")),
        [],
      );

      for (const [modem, source] of [[modems[0]!, GIVEN], [modems[1]!, LOCAL]] as const) {
        const seen = await heard(
          modem,
          () => sh(`ip netns exec ${box} ping -c 3 -i 0.2 -W 5 -I ${source} ${FAR}`),
        );
        strictEqual(seen.counts["from the given"], 3, `${modem}: ${seen.text}`);
        strictEqual(seen.counts["from another"], 0, `${modem}: ${seen.text}`);
        // The modem asks who has it, as one does that was switched off and on.
        await sh(`ip netns exec ${modem} busybox arping -f -c 5 -I lan ${GIVEN}`);
      }

      // Too large for what lies behind the second modem: the error names the given address.
      await sh(`ip netns exec ${box} ping -c 1 -W 2 -M do -s 1380 -I ${LOCAL} 198.51.100.7 || true`);
      match(await sh(`ip -n ${box} route get 198.51.100.7 from ${LOCAL}`), /mtu 1300/);

      await net.release("test");
      strictEqual((await sh(`ip netns exec ${box} nft list ruleset`)).trim(), "");
    } finally {
      for (const space of spaces) await sh(`ip netns delete ${space} || true`);
    }
  },
});

/** What a modem counts of packets that come to it meanwhile. */
async function heard(modem: string, act: () => Promise<unknown>) {
  await sh(`ip netns exec ${modem} nft 'add table ip seen
    delete table ip seen
    table ip seen {
      chain in {
        type filter hook prerouting priority 0
        icmp type echo-request ip saddr ${GIVEN} counter comment "from the given"
        icmp type echo-request ip saddr != ${GIVEN} counter comment "from another"
      }
    }'`);
  await act();
  const text = await sh(`ip netns exec ${modem} nft list table ip seen`);
  const counts: { [what: string]: number } = {};
  for (const [, count, what] of text.matchAll(/packets (\d+) bytes \d+ comment "([^"]+)"/g)) {
    counts[what!] = Number(count);
  }
  return { counts, text };
}

async function sh(script: string): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command("sh", { args: ["-ec", script] }).output();
  const [said, failed] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  if (!success) throw new Error(`${script} failed: ${said}${failed}`);
  return said!;
}

import assert from "node:assert/strict";
import fc from "fast-check";
import { linkResources, portResources } from "../links/claims.ts";
import { drawn } from "@otb/plugin";
import type { ServerSeen, StationSeen } from "./evidence.ts";
import type { Memory } from "./memory.ts";
import type { Known, Port } from "./known.ts";
import { MOST_LINKS, plan } from "./planner.ts";
import { words } from "../texts/mod.ts";

/** One moment of a golden case. */
interface Moment {
  /** Address in CIDR on which interface: `lan0 192.168.1.5/24`. */
  lan?: string;
  /** `wan1`, `wan1 down`, `wan1 10.0.0.1/8`; the number in the name makes its Ethernet address. */
  ports: string[];
  /** `wan1 server router/length [maker's word]`; stations are named by a letter: `wan1 A 192.168.1.1 192.168.1.1/24`. */
  servers?: string[];
  /** Who answers by ARP: `wan1 A 192.168.1.1`. */
  answers?: string[];
  configured?: { name: string; interface: string; gateway?: string }[];
  wishes?: Known["wishes"];
  /** Pairs of interfaces on one segment: `wan1 wan2`. */
  joins?: string[];
  /** Letters of modems that do not answer their links' own Ethernet addresses. */
  unheard?: string[];
  /** Notes an address as held, as a lease would: `A 192.168.1.50`. */
  holds?: string[];
}

const macOf = (letter: string) => `02:00:00:00:00:${letter.toLowerCase().repeat(2)}`;

function known(moment: Moment, memory: Memory[]): Known {
  const [lanInterface, lanAddress] = moment.lan?.split(" ") ?? [];
  const ports = moment.ports.map((text): Port => {
    const [name = "", ...rest] = text.split(" ");
    const addresses = rest.filter((word) => word.includes("/"));
    const mac = `02:00:00:00:01:${name.replaceAll(/\D/g, "").padStart(2, "0")}`;
    return {
      name,
      mac,
      carrier: !rest.includes("down"),
      addresses: name === lanInterface ? [lanAddress!] : addresses,
    };
  });
  const servers = (moment.servers ?? []).map((text): ServerSeen => {
    const [on = "", letter = "", server = "", way, ...hints] = text.split(" ");
    const [router, length] = way === "-" ? [] : way?.split("/") ?? [];
    return {
      ...{
        interface: on,
        server,
        mac: macOf(letter),
        router,
        prefixLength: length ? Number(length) : undefined,
      },
      ...{ dns: [], hints, lastSeenMs: 1_000_000 },
    };
  });
  const stations = (moment.answers ?? []).map((text): StationSeen => {
    const [on = "", letter = "", address = ""] = text.split(" ");
    return { interface: on, mac: macOf(letter), address, sinceMs: 0, lastSeenMs: 1_000_000 };
  });
  return {
    ...{ nowMs: 1_000_000, epochMs: 1_800_000_000_000, freshMs: 20_000, ports, servers, stations, memory },
    lan: lanInterface && lanAddress ? { interface: lanInterface, address: lanAddress } : undefined,
    ...{ configured: moment.configured ?? [], wishes: moment.wishes ?? {} },
    unheard: new Set((moment.unheard ?? []).map(macOf)),
    clashing: new Set(),
    joins: (moment.joins ?? []).map((text) => {
      const [on = "", other = ""] = text.split(" ");
      return { interface: on, other, lastSeenMs: 1_000_000 };
    }),
  };
}

/** What was decided, in lines. */
function render(moment: Moment, memory: Memory[]): { text: string; memory: Memory[] } {
  const all = known(moment, memory), { lan } = all;
  const { links, memory: next, conditions } = plan(all);
  const held = new Map((moment.holds ?? []).map((text) => text.split(" ") as [string, string]));
  const lines = links.flatMap((link) => {
    const address = [...held].find(([letter]) => macOf(letter) === link.mac)?.[1] ?? link.former?.address;
    const { gateway, prefixLength } = link;
    const grant = address ? { address, prefixLength, router: gateway, dns: [] } : undefined;
    const { name, id, slot, device, deviceMac, lanAddress, server, fixed, present, description } = link;
    return [
      `${name}: ${id} "${description}" slot ${slot} on ${link.interface} as ${device} ${deviceMac}` +
      `${present ? "" : ", out of sight"}${link.away ? `: ${link.away}` : ""}${
        lanAddress ? `, the LAN's ${lanAddress}` : server ? `, asks ${server.address}` : ", keeps"
      }` +
      `${fixed ? ", fixed" : ""}`,
      ...(link.away ? [] : linkResources(link, grant, lan)).map((resource) =>
        `  ${Object.values(resource).join(" ")}`
      ),
    ];
  });
  const ports = portResources([], links.filter(({ away }) => !away)).map((resource) =>
    Object.values(resource).join(" ")
  );
  const said = conditions.map((raised) => drawn(words, raised)).map(({ code, message }) =>
    `! ${code}: ${message}`
  );
  for (const entry of next) {
    const address = [...held].find(([letter]) => macOf(letter) === entry.mac)?.[1];
    if (address) entry.address = address;
  }
  return { text: [...lines, ...ports, ...said, ""].join("\n"), memory: next };
}

Deno.test("golden cases", async (t) => {
  const directory = new URL("testdata/plan/", import.meta.url);
  const update = Deno.env.get("UPDATE_GOLDEN") === "1";
  for (const { name } of [...Deno.readDirSync(directory)].sort((a, b) => a.name < b.name ? -1 : 1)) {
    if (!name.endsWith(".json")) continue;
    await t.step(name, () => {
      const moments: { [title: string]: Moment } = JSON.parse(
        Deno.readTextFileSync(new URL(name, directory)),
      );
      let memory: Memory[] = [];
      let text = "";
      for (const [title, moment] of Object.entries(moments)) {
        const rendered = render(moment, memory);
        memory = rendered.memory;
        text += `# ${title}\n${rendered.text}`;
      }
      const golden = new URL(name.replace(/json$/, "txt"), directory);
      if (update) Deno.writeTextFileSync(golden, text);
      assert.equal(text, Deno.readTextFileSync(golden));
    });
  }
});

const letters = ["A", "B", "C", "D", "E", "F"];
const moment: fc.Arbitrary<Moment> = fc.record({
  lan: fc.constantFrom("lan0 192.168.1.5/24", "lan0 192.168.100.1/24", undefined),
  ports: fc.subarray(["wan1", "wan2"]).map((down) => [
    "lan0",
    ...["wan1", "wan2"].map((name) => down.includes(name) ? `${name} down` : name),
  ]),
  places: fc.array(
    fc.tuple(
      fc.constantFrom("lan0", "wan1", "wan2"),
      fc.constantFrom(...letters),
      fc.constantFrom("192.168.1.1", "192.168.1.254", "10.0.0.1", "192.168.100.1"),
      fc.constantFrom("24", "8", "32"),
      fc.boolean(),
    ),
    { maxLength: 12 },
  ),
  unheard: fc.subarray(letters),
  joins: fc.subarray(["lan0 wan1", "wan1 wan2", "wan2 lan0"]),
}).map(({ lan, ports, places, unheard, joins }) => ({
  ...{ lan, ports, unheard, joins },
  servers: places.filter(([, , , , serves]) => serves).map(([on, letter, gateway, length]) =>
    `${on} ${letter} ${gateway} ${gateway}/${length}`
  ),
  answers: places.map(([on, letter, gateway]) => `${on} ${letter} ${gateway}`),
}));

Deno.test("whatever comes in whatever order: one link a modem, one name, slot and device a link, and the same again", () => {
  fc.assert(
    fc.property(fc.array(moment, { minLength: 1, maxLength: 5 }), (moments) => {
      let memory: Memory[] = [];
      for (const one of moments) {
        const seen = known(one, memory);
        const { links, memory: next } = plan(seen);
        assert.ok(links.length <= MOST_LINKS && next.length <= 32);
        for (const field of ["id", "name", "slot", "device"] as const) {
          assert.equal(new Set(links.map((link) => link[field])).size, links.length, `${field} twice`);
        }
        for (const link of links.filter(({ present }) => present)) {
          assert.ok(
            one.answers!.includes(
              `${link.interface} ${letters.find((l) => macOf(l) === link.mac)} ${link.gateway}`,
            ),
          );
          assert.ok(link.gateway !== one.lan?.split(/[ /]/)[1], "the box is not its own modem");
          assert.match(link.name, /^[a-z][a-z0-9-]{0,14}$/);
          const former = memory.find(({ id }) => id === link.id);
          if (former) assert.equal(link.name, former.name, "a modem keeps its link's name");
        }
        const identities = [
          ...links.flatMap((link) => linkResources(link, link.former)),
          ...portResources([], links),
        ]
          .map((resource) => JSON.stringify({ ...resource, mac: undefined }));
        assert.equal(new Set(identities).size, identities.length);
        // The same evidence again changes nothing.
        const again = plan({ ...seen, memory: next });
        assert.deepEqual(
          again.links.map((link) => ({ ...link, former: undefined })),
          links.map((link) => ({ ...link, former: undefined })),
        );
        memory = next;
      }
    }),
    { numRuns: 1_000 },
  );
});

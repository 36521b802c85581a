// What namespaces a lab has, how they are wired, and what is set up in each. Pure.
import { ipv6Lines } from "./ipv6.ts";
import type { LabSpec } from "./lab_state.ts";
import { addressOf } from "./modem.ts";

/** What `Lab` carries out. */
export interface Topology {
  /** A namespace each. */
  roles: string[];
  /** Lines of `ip -batch` that wire them. */
  wires: string[];
  /** What a shell does in the namespace of a role. */
  scripts: [role: string, script: string][];
}

/** @param ns the namespace of a role */
export function topology(spec: LabSpec, ns: (role: string) => string): Topology {
  const { links, devices = 1, modems = [], lan = "192.168.100.1/24" } = spec;
  const [gateway = ""] = lan.split("/");
  const indexes = links.map((_, index) => index + 1);
  const onLan = indexes.filter((i) => modems[i - 1]?.cable === "lan");
  const ports = indexes.filter((i) => !onLan.includes(i));
  const deviceNames = Array.from({ length: devices }, (_, index) => `device${index + 1}`);
  const roles = [
    "inet",
    "server",
    "site1",
    "site2",
    "emu",
    "box",
    "lan",
    ...indexes.flatMap((i) => [`modem${i}`, `solo${i}`]),
    ...deviceNames,
  ];
  const veth = (a: string, aName: string, b: string, bName: string) =>
    `link add ${aName} netns ${ns(a)} type veth peer name ${bName} netns ${ns(b)}`;
  const wires = [
    veth("inet", "server", "server", "eth0"),
    veth("inet", "site1", "site1", "eth0"),
    veth("inet", "site2", "site2", "eth0"),
    veth("box", "lan0", "lan", "box"),
    ...deviceNames.map((name) => veth(name, "eth0", "lan", name)),
    ...indexes.flatMap((i) => [
      veth("inet", `link${i}`, "emu", `net${i}`),
      veth(`modem${i}`, "wan", "emu", `mod${i}`),
      modems[i - 1]?.cable === "lan"
        ? veth(`modem${i}`, "box", "lan", `modem${i}`)
        : veth(`modem${i}`, "box", "box", `wan${i}`),
      veth(`modem${i}`, "solo", `solo${i}`, "eth0"),
    ]),
  ];
  const tall = ["net/ipv4/tcp_rmem=4096 131072 33554432", "net/ipv4/tcp_wmem=4096 131072 33554432"];
  const router = [
    "net/ipv4/ip_forward=1",
    "net/ipv4/conf/all/rp_filter=0",
    "net/ipv4/conf/default/rp_filter=0",
  ];
  // One segment a packet beyond this interface: what the emulator sees is what a wire would carry.
  const wire = (name: string) => `link set ${name} gso_max_segs 1 txqueuelen 10000 up`;
  const work: Record<string, { sysctls?: string[]; batch: string[]; nft?: string }> = {
    inet: {
      sysctls: router,
      batch: [
        "link set server up",
        "address add 203.0.113.1/24 dev server",
        "link set site1 up",
        "address add 198.51.100.9/29 dev site1",
        "link set site2 up",
        "address add 198.51.100.17/28 dev site2",
        ...indexes.flatMap((i) => [wire(`link${i}`), `address add 198.18.${i}.1/30 dev link${i}`]),
      ],
    },
    server: {
      sysctls: tall,
      batch: [
        "link set eth0 up",
        "address add 203.0.113.10/24 dev eth0",
        "route add default via 203.0.113.1",
      ],
    },
    site1: {
      batch: [
        "link set eth0 up",
        "address add 198.51.100.11/29 dev eth0",
        "route add default via 198.51.100.9",
      ],
    },
    site2: {
      batch: [
        "link set eth0 up",
        "address add 198.51.100.22/28 dev eth0",
        "route add default via 198.51.100.17",
      ],
    },
    emu: {
      batch: indexes.flatMap((
        i,
      ) => [
        `link set net${i} arp off txqueuelen 10000 up`,
        `link set mod${i} arp off txqueuelen 10000 up`,
      ]),
    },
    box: { batch: ["link set lan0 up", ...ports.map((i) => `link set wan${i} up`)] },
    lan: {
      batch: [
        "link add bridge type bridge",
        "link set bridge up",
        ...["box", ...deviceNames, ...onLan.map((i) => `modem${i}`)].map((name) =>
          `link set ${name} master bridge up`
        ),
      ],
    },
  };
  for (const [index, name] of deviceNames.entries()) {
    work[name] = {
      sysctls: tall,
      batch: [
        "link set eth0 up",
        `address add ${gateway.replace(/\d+$/, String(10 + index))}/24 dev eth0`,
        `route add default via ${gateway}`,
      ],
    };
  }
  for (const [index, link] of links.entries()) {
    const i = index + 1;
    const modem = modems[index];
    const [address = ""] = addressOf(modem, i).split("/");
    const neighbour = address.replace(/\d+$/, "50");
    work[`modem${i}`] = {
      sysctls: router,
      batch: [
        // A bridge would take the address of a port, and change it with the cable.
        `link add lan address ${modem?.mac ?? `02:00:00:00:0${i}:01`} type bridge`,
        "link set lan up",
        `link set box master lan ${modem?.unplugged ? "down" : "up"}`,
        "link set solo master lan up",
        `address add ${addressOf(modem, i)} dev lan`,
        wire("wan"),
        `address add 198.18.${i}.2/30 dev wan`,
        `route add default via 198.18.${i}.1`,
      ],
      nft: `table ip modem {
        chain post { type nat hook postrouting priority srcnat; oifname "wan" masquerade; }
        ${
        link.stripMptcp
          ? `chain strip { type filter hook forward priority mangle; tcp flags & (syn | ack) != 0 reset tcp option mptcp; }`
          : ""
      }
      }`,
    };
    work[`solo${i}`] = {
      sysctls: tall,
      batch: [
        "link set eth0 up",
        `address add ${neighbour}/24 dev eth0`,
        `route add default via ${address}`,
      ],
    };
  }
  const scripts = Object.entries(work).map(([role, { sysctls = [], batch, nft }]): [string, string] => [
    role,
    // One process a namespace: IPv6's own chatter off, lo up, then the lines above.
    [
      "for f in all default; do echo 1 > /proc/sys/net/ipv6/conf/$f/disable_ipv6; done",
      ...sysctls.map((setting) => `echo '${setting.split("=")[1]}' > /proc/sys/${setting.split("=")[0]}`),
      `ip -batch - <<'END'\nlink set lo up\n${batch.join("\n")}\nEND`,
      ...(nft ? [`nft -f - <<'END'\n${nft}\nEND`] : []),
      ...(spec.ipv6 ? ipv6Lines(role) : []),
    ].join("\n"),
  ]);
  return { roles, wires, scripts };
}

import { strict as assert } from "node:assert";
import type { InterfaceFact, Link } from "@otb/plugin";
import { parseAllowed } from "./allow.ts";
import { closed, inWords, sshPorts } from "./closed.ts";
import { compile, type Wish } from "./compile.ts";
import { Machine, PORTS, PUBLIC, SIDES } from "./testing/machine.ts";
import { zonesOf } from "./zones.ts";

function inKernel(name: string) {
  return { name, ignore: Deno.uid() !== 0 || Deno.build.os !== "linux" };
}

const device = (name: string, more: Partial<InterfaceFact> = {}): InterfaceFact => ({
  ...{ name, index: 1, mtu: 1500, up: true, carrier: true, hardware: 1, addresses: [], type: "veth" },
  ...more,
});
const INTERFACES = [
  device("lan0"),
  device("wan1"),
  device("eth5"),
  device("docker0", { type: "bridge" }),
  device("veth0", { controller: "docker0" }),
];
const link = (name: string): Link => ({
  ...{ name, interface: name, found: true, tier: "primary" },
  observed: { state: "up", address: "192.168.11.2", prefixLength: 24 },
});

/** A box that serves DNS and DHCP to its LAN, with sshd on port 22. */
function box(allow: string[] = [], options: { links?: Link[]; trusted?: string[] } = {}): Wish {
  const { links = [link("wan1")], trusted = [] } = options;
  const network = {
    role: "box",
    peers: [],
    lan: { interface: "lan0", address: "192.168.100.1/24" },
  } as const;
  return {
    role: "box",
    zones: zonesOf({ network: { ...network, peers: [] }, links, interfaces: INTERFACES, trusted }),
    services: [
      { protocol: "udp", port: 53, zones: ["lan"] },
      { protocol: "tcp", port: 53, zones: ["lan"] },
      { protocol: "udp", port: 67, zones: ["lan"] },
    ],
    ssh: [22],
    allowed: allow.map((text) => parseAllowed(text)!),
  };
}

/** A peer. */
function cloud(allow: string[] = []): Wish {
  const links = [link("wan1")];
  return {
    role: "cloud",
    zones: zonesOf({ network: { role: "cloud", peers: [] }, links, interfaces: INTERFACES, trusted: [] }),
    services: [{ protocol: "tcp", port: 8443, zones: ["link"] }, {
      protocol: "udp",
      port: 8443,
      zones: ["link"],
    }],
    ssh: [22],
    allowed: allow.map((text) => parseAllowed(text)!),
  };
}

const CASES: { [name: string]: Wish } = {
  "box": box(),
  "box_allowing": box(["tcp 443 from link", "udp 5000-5100 from lan", "esp from eth5"], {
    trusted: ["eth5"],
  }),
  "box_on_one_wire": box([], { links: [link("lan0")] }),
  "cloud": cloud(["tcp 443 from link"]),
};

for (const [name, wish] of Object.entries(CASES)) {
  Deno.test(`golden table: ${name}`, () => {
    const golden = new URL(`testdata/${name}.nft`, import.meta.url);
    const text = compile(wish);
    if (Deno.env.get("UPDATE_GOLDEN") === "1") Deno.writeTextFileSync(golden, text);
    assert.equal(text, Deno.readTextFileSync(golden));
  });
}

Deno.test(
  inKernel("a box lets in by zone what is served there, and nothing else; so does a peer"),
  async () => {
    await using machine = await Machine.up();
    const everything = { tcp: PORTS, udp: PORTS }, nothing = { tcp: [], udp: [] };
    // Without a table every station reaches every port: what is shut below is shut by it.
    for (const side of ["lan", "link", "others", "container"] as const) {
      assert.deepEqual(await machine.reaches(side), everything, side);
      if (side !== "container") {
        assert.deepEqual(
          await machine.reaches(side, SIDES.container.station),
          everything,
          `${side}, forwarded`,
        );
      }
    }

    await machine.load(compile(box()));
    assert.deepEqual(await machine.reaches("lan"), { tcp: [22, 53], udp: [53, 67] });
    assert.deepEqual(await machine.reaches("link"), nothing);
    assert.deepEqual(await machine.reaches("link", SIDES.lan.own), nothing, "by the address of another side");
    assert.deepEqual(await machine.reaches("others"), { tcp: [22], udp: [] });
    assert.deepEqual(await machine.reaches("container"), everything);

    await machine.load(compile(cloud()));
    assert.deepEqual(await machine.reaches("link"), { tcp: [22, 8443], udp: [8443] });
    assert.deepEqual(await machine.reaches("others"), { tcp: [22, 8443], udp: [8443] });
    assert.deepEqual(await machine.reaches("container"), everything);

    await machine.load(compile(box(["tcp 443 from link", "udp 8000-8500 from others", "tcp 80 from eth5"])));
    assert.deepEqual(await machine.reaches("link"), { tcp: [443], udp: [] });
    assert.deepEqual(await machine.reaches("others"), { tcp: [22, 80], udp: [8080, 8443] });
    await machine.load(compile(box([], { trusted: ["eth5"] })));
    assert.deepEqual(await machine.reaches("others"), everything);
  },
);

Deno.test(
  inKernel(
    "nothing new comes in from a link to the LAN or to a container, and a published port by one setting",
  ),
  async () => {
    await using machine = await Machine.up();
    const { lan, link, container } = SIDES;
    await machine.in(
      "machine",
      ["nft", "-f", "-"],
      `table ip docker { chain pre { type nat hook prerouting priority dstnat; fib daddr type local tcp dport 8080 dnat to ${container.station}:80; }; }`,
    );
    const through = async (side: "lan" | "link" | "others" | "container", host: string) =>
      (await machine.reaches(side, host, [80, 8080])).tcp;
    assert.deepEqual(await through("link", lan.station), [80, 8080], "without a table");

    await machine.load(compile(box()));
    assert.deepEqual(await through("link", lan.station), []);
    assert.deepEqual(await through("link", container.station), []);
    assert.deepEqual(await through("others", lan.station), []);
    assert.deepEqual(await through("link", link.own), [], "published");
    assert.deepEqual(await through("lan", link.station), [80, 8080]);
    assert.deepEqual(await through("container", link.station), [80, 8080]);
    assert.deepEqual(await through("container", lan.station), [80, 8080]);

    await machine.load(compile(box(["tcp 8080 from link"])));
    assert.deepEqual(await through("link", link.own), [8080]);
    assert.deepEqual(await through("link", lan.station), [], "8080 of the LAN is not this machine's");
    assert.deepEqual(await through("others", SIDES.others.own), []);
    await machine.load(compile(cloud(["tcp 8080 from link"])));
    assert.deepEqual(
      await through("others", SIDES.others.own),
      [8080],
      "every port of a peer is one to the Internet",
    );
  },
);

Deno.test(
  inKernel("on a wire shared with a modem, what comes from the Internet is not the LAN's"),
  async () => {
    await using machine = await Machine.up();
    await machine.load(compile(box([], { links: [link("lan0")] })));
    assert.deepEqual(await machine.reaches("lan"), { tcp: [22, 53], udp: [53, 67] });
    await machine.ip("lan", [
      `route replace default via ${SIDES.lan.own} src ${PUBLIC}`,
      `route replace ${SIDES.lan.own} dev eth0 src ${PUBLIC}`,
    ]);
    assert.deepEqual(await machine.reaches("lan"), { tcp: [], udp: [] });
    // Where the LAN has a wire of its own, whoever is on it is a device.
    await machine.load(compile(box()));
    assert.deepEqual((await machine.reaches("lan")).tcp, [22, 53]);
  },
);

Deno.test(inKernel("a connection of the machine goes on that the kernel kept no account of"), async () => {
  await using machine = await Machine.up();
  const wait = `const listener = Deno.listen({ hostname: "0.0.0.0", port: 7 });
    console.log("listening");
    const connection = await listener.accept();
    await connection.read(new Uint8Array(1));
    for await (const _ of Deno.stdin.readable) break;
    await connection.write(new Uint8Array(5));
    for (;;) await new Promise((resolve) => setTimeout(resolve, 1000));`;
  const server = new Deno.Command("ip", {
    args: ["netns", "exec", machine.space("link"), Deno.execPath(), "eval", wait],
    ...{ stdin: "piped", stdout: "piped" },
  }).spawn();
  const client = new Deno.Command("ip", {
    args: [
      ...["netns", "exec", machine.space("machine"), Deno.execPath(), "eval"],
      `const connection = await Deno.connect({ hostname: "${SIDES.link.station}", port: 7 });
      await connection.write(new Uint8Array(1));
      console.log("asked");
      console.log(await connection.read(new Uint8Array(9)));`,
    ],
    ...{ stdin: "null", stdout: "piped" },
  });
  const said = server.stdout.getReader();
  await said.read();
  const asked = client.spawn();
  const answer = asked.stdout.getReader();
  try {
    await answer.read();
    await machine.load(compile(box()));
    await machine.in("machine", ["conntrack", "-F"]).catch(() => {});
    const writer = server.stdin.getWriter();
    await writer.write(new Uint8Array(1));
    const bound = new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), 10_000));
    const got = await Promise.race([answer.read(), bound]);
    assert.equal(new TextDecoder().decode(got?.value), "5\n");
    await writer.close();
  } finally {
    for (const child of [server, asked]) {
      try {
        child.kill("SIGKILL");
      } catch { /* it has ended */ }
      await child.status;
    }
    await said.cancel();
    await answer.cancel();
  }
});

Deno.test("what is shut is told by program, without what otb serves, ssh, DHCP's clients and what is allowed", () => {
  const listener = (program: string, protocol: "tcp" | "udp", port: number, isSsh?: true) => ({
    ...{ program, protocol, port, isSsh },
  });
  const listeners = [
    listener("sshd", "tcp", 2222, true),
    listener("nginx", "tcp", 80),
    listener("nginx", "tcp", 443),
    listener("deno", "udp", 68),
    listener("dnsmasq", "udp", 53),
    { protocol: "udp", port: 51820 } as const,
  ];
  const shut = (allow: string[], role: "box" | "cloud" = "box") =>
    inWords(closed(role, listeners, box().services, allow.map((text) => parseAllowed(text)!)));
  assert.equal(shut([]), "nginx (tcp 80, tcp 443), the kernel or a container (udp 51820)");
  assert.equal(shut(["tcp 80-443 from lan", "udp 51820 from link"]), "");
  assert.deepEqual(sshPorts(listeners), [2222]);
});

Deno.test("a link whose interface is called like a tunnel is a link", () => {
  const text = compile(box([], { links: [link("otb1")] }));
  assert.match(
    text,
    /vmap \{ "lan0" : goto from_lan, "otb1" : goto from_link, "otb0" : goto shut, "otb2" : goto shut/,
  );
  assert.match(text, /elements = \{ "otb0", "otb2", /);
});

Deno.test("what is allowed reads as a sentence, and nothing else is taken for one", () => {
  assert.deepEqual(parseAllowed("tcp 443 from link"), { protocol: "tcp", ports: "443", from: "link" });
  assert.deepEqual(parseAllowed("udp 10-20 from eth5"), { protocol: "udp", ports: "10-20", from: "eth5" });
  assert.deepEqual(parseAllowed("esp from others"), { protocol: "esp", from: "others" });
  for (
    const text of [
      ...[
        "tcp from link",
        "tcp 0 from link",
        "tcp 70000 from link",
        "tcp 20-10 from link",
        "esp 5 from link",
      ],
      ...["tcp 443", "icmp from link", 'tcp 443 from "x" accept', "tcp 443 from a\nb", ""],
    ]
  ) assert.equal(parseAllowed(text), undefined, text);
});

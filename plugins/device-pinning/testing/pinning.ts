// Shared by the tests of this folder: rules at random, and a box with two links and one device in namespaces.
import fc from "fast-check";
import type { Config } from "../config.ts";
import { config as schema } from "../config.ts";
import type { Wish } from "../rules/compile.ts";
import type { Way } from "../rules/policy.ts";

export const LAN = { interface: "lan0", address: "192.168.100.1/24" };
/** Deno asks for its newest version now and then: a name and a packet that nobody here sent. */
export const QUIET = { DENO_NO_UPDATE_CHECK: "1" };
/** The device of the namespaces below. */
export const MAC = "02:00:00:00:00:0a";

/** Settings with their defaults. */
export function settings(given: unknown): Config {
  return schema.parse(given);
}

/** A way as judged. */
export function way(link: string, index: number, extra: Partial<Way> = {}): Way {
  return { link, interface: `wan${index}`, mark: index << 8, general: true, usable: true, ...extra };
}

/** A wish around some settings: two links, all well. */
export function wish(config: Config, extra: Partial<Wish> = {}): Wish {
  return {
    config,
    lan: LAN,
    ways: [way("fibre", 1), way("cable", 2)],
    proxyGone: false,
    peerGone: false,
    tunnel: { state: "up", mtu: 1400 },
    tcpWay: "proxy",
    interfaces: ["wan1", "wan2"],
    near: ["192.168.11.2/24", "192.168.12.2/24"],
    numbers: new Map(config.rules.map(({ name }, index) => [name, index + 1])),
    ...extra,
  };
}

const macs = fc.constantFrom(MAC, "02:00:00:00:00:0b", "02:00:00:00:00:0c");
const range = fc.oneof(
  fc.tuple(fc.nat(3), fc.nat(3), fc.constantFrom(8, 16, 23, 24, 30, 32)).map(([b, c, length]) =>
    `10.${b}.${c}.1/${length}`
  ),
  fc.tuple(fc.nat(3), fc.nat(3), fc.constantFrom(16, 32, 40, 64, 127, 128)).map(([b, c, length]) =>
    `fd00:${b}:${c}::1/${length}`
  ),
);
const ports = fc.tuple(fc.integer({ min: 1, max: 40 }), fc.nat(20)).map(([from, more]) =>
  more % 3 === 0 ? `${from}` : `${from}-${from + more}`
);
const some = <T>(values: fc.Arbitrary<T>) => fc.array(values, { minLength: 1, maxLength: 3 });

/** Settings at random over a small world, so that rules overlap a lot. */
export const anyConfig: fc.Arbitrary<Config> = fc.record({
  whenPeerGone: fc.constantFrom("direct", "block"),
  nonTcp: fc.constantFrom("direct", "tunnel", "tunnel", "block"),
  devices: fc.dictionary(
    macs,
    fc.record({
      groups: fc.subarray(["tv", "kids"]),
      whenPeerGone: fc.option(fc.constantFrom("direct", "block"), { nil: undefined }),
    }),
  ),
  rules: fc.array(
    fc.tuple(
      // A few shapes, so that rules of one shape come often, with others in between.
      fc.oneof(
        fc.record({ addresses: some(range) }),
        fc.record({ ports: some(ports) }),
        fc.record({ device: macs, addresses: some(range) }),
        fc.record({
          device: macs,
          group: fc.constantFrom("tv", "kids"),
          domains: fc.constant(["example.org"]),
          addresses: some(range),
          protocol: fc.constantFrom("tcp", "udp"),
          ports: some(ports),
        }, { requiredKeys: [] }),
      ),
      fc.constantFrom(undefined, undefined, undefined, "plex", "sip", "ntp"),
      fc.constantFrom("bonded", "link", "link", "block"),
      fc.constantFrom("fibre", "cable"),
      fc.constantFrom("bonded", "other-link", "block"),
      fc.boolean(),
    ),
    { maxLength: 14 },
  ).map((rules) =>
    rules.map(([match, application, way, link, ifDead, often], index) => ({
      name: `r${index}`,
      enabled: often || index % 4 > 0,
      match: application ? { application } : match,
      way,
      ...way === "link" ? { link } : {},
      ifDead,
    }))
  ),
}).map((given) => settings(JSON.parse(JSON.stringify(given))));

/** A wish at random. */
export const anyWish: fc.Arbitrary<Wish> = fc.tuple(
  anyConfig,
  fc.constantFrom<"up" | "waiting" | "down">("up", "up", "waiting", "down"),
  fc.constantFrom<Wish["moving"]>(undefined, "doubted", "leaving", "soon", "returning"),
  ...[0, 1, 2].map(() => fc.boolean()),
).map(
  ([config, tunnel, moving, proxyGone, fibre, cable]) =>
    wish(config, {
      moving,
      resolvers: [{ link: "fibre", port: 5336, servers: [] }, { link: "cable", port: 5337, servers: [] }],
      proxyGone,
      peerGone: proxyGone && tunnel !== "up",
      tunnel: { state: tunnel, ...tunnel === "up" ? { mtu: 1400 } : { reason: "it is cut" } },
      ways: [way("fibre", 1, { usable: fibre }), way("cable", 2, { usable: cable })],
    }),
);

/** Runs a program to its end, with text for its input. @throws Error with what it complained of */
export async function run(words: string[], input = ""): Promise<string> {
  const child = new Deno.Command(words[0]!, {
    args: words.slice(1),
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
    env: { LC_ALL: "C", ...QUIET },
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input));
  await writer.close();
  const { success, stdout, stderr } = await child.output();
  if (!success) throw new Error(`${words.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}

/**
 * A device at lan0 of a box (three namespaces) whose wan1 and wan2, and otb0 in the tunnel's place, take everything that is routed
 * there; gone when the test ends. What enters otb0 comes out at far0, where 203.0.113.10 is.
 */
export class Box {
  readonly #id = crypto.randomUUID().slice(0, 8);
  readonly box = `otbpin-${this.#id}-box`;
  readonly device = `otbpin-${this.#id}-dev`;
  readonly far = `otbpin-${this.#id}-far`;

  static async up(): Promise<Box> {
    const box = new Box();
    try {
      await box.#build();
    } catch (error) {
      await box[Symbol.asyncDispose]();
      throw error;
    }
    return box;
  }

  async #build(): Promise<void> {
    for (const name of [this.box, this.device, this.far]) await run(["ip", "netns", "add", name]);
    const links = [1, 2].flatMap((i) => [
      `link add wan${i} type veth peer name far${i} netns ${this.far}`,
      `link set wan${i} up`,
      `address add 192.168.${10 + i}.2/24 dev wan${i}`,
      `address add fd01:${i}::2/64 dev wan${i} nodad`,
      `neighbour add 192.168.${10 + i}.1 lladdr 02:00:00:00:01:0${i} dev wan${i}`,
      `neighbour add fd01:${i}::1 lladdr 02:00:00:00:01:0${i} dev wan${i}`,
      `route add default via 192.168.${10 + i}.1 dev wan${i} table 100${i}`,
      `rule add fwmark 0x${i}00/0xff00 lookup 100${i} priority 90${i}`,
      `-6 route add default via fd01:${i}::1 dev wan${i} table 100${i}`,
      `-6 rule add fwmark 0x${i}00/0xff00 lookup 100${i} priority 90${i}`,
    ]);
    const tunnel = [
      `link add otb0 mtu 1400 type veth peer name far0 netns ${this.far}`,
      "link set otb0 address 02:00:00:00:02:01 up",
      "address add 10.158.0.1/24 dev otb0",
      "address add fd03::1/64 dev otb0 nodad",
      "neighbour add 10.158.0.2 lladdr 02:00:00:00:02:02 dev otb0",
      "neighbour add fd03::2 lladdr 02:00:00:00:02:02 dev otb0",
    ];
    // Unmarked packets have a way too, so that one which should not leave could.
    const stray = [
      "route add default via 192.168.11.1 dev wan1",
      "-6 route add default via fd01:1::1 dev wan1",
    ];
    const lan = [
      `link add lan0 type veth peer name eth0 netns ${this.device}`,
      "link set lan0 up",
      "address add 192.168.100.1/24 dev lan0",
      "address add fd02::1/64 dev lan0 nodad",
    ];
    await this.ip(this.box, [...lan, ...links, ...tunnel, ...stray]);
    await this.tunnel("up");
    await this.ip(this.far, [
      ...["far1 up", "far2 up", "far0 mtu 1500 address 02:00:00:00:02:02 up"].map((what) =>
        `link set ${what}`
      ),
      "address add 10.158.0.2/24 dev far0",
      "address add 203.0.113.10/32 dev far0",
      "neighbour add 10.158.0.1 lladdr 02:00:00:00:02:01 dev far0",
      "route add default via 10.158.0.1",
    ]);
    await this.ip(this.device, [
      `link set eth0 address ${MAC} up`,
      "address add 192.168.100.10/24 dev eth0",
      "address add fd02::10/64 dev eth0 nodad",
      "route add default via 192.168.100.1",
      "-6 route add default via fd02::1",
    ]);
    await this.inBox(["sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"]);
    // What leaves, counted where nothing of ours has a say any more.
    await this.inBox(
      ["nft", "-f", "-"],
      `table inet watcher { chain post { type filter hook postrouting priority 300;
        oifname "wan1" meta l4proto { tcp, udp } counter
        oifname "wan2" meta l4proto { tcp, udp } counter
        oifname "otb0" meta l4proto { tcp, udp } counter
      }
      }`,
    );
  }

  /** Has the tunnel take what its rule takes, or not, as its plugin does. */
  async tunnel(state: "up" | "down"): Promise<void> {
    for (const [option, via] of [["-4", "10.158.0.2"], ["-6", "fd03::2"]]) {
      await this.ip(this.box, [
        `${option} route replace default via ${via} dev otb0 table 1158`,
        `${option} rule ${
          state === "up" ? "add" : "delete"
        } priority 950 iif lan0 fwmark 0x0/0xff00 lookup 1158`,
      ]);
    }
  }

  async ip(namespace: string, lines: string[]): Promise<void> {
    for (const line of lines) await run(["ip", "-n", namespace, ...line.split(" ")]);
  }

  inBox(words: string[], input?: string): Promise<string> {
    return run(["ip", "netns", "exec", this.box, ...words], input);
  }

  /** Puts a table's body in force, as the core does. */
  async load(body: string): Promise<void> {
    await this.inBox(["nft", "-f", "-"], script(body));
  }

  /** How many packets have left by each link. */
  async left(): Promise<{ wan1: number; wan2: number; otb0: number }> {
    const text = await this.inBox(["nft", "list", "table", "inet", "watcher"]);
    const of = (name: string) =>
      Number(new RegExp(`oifname "${name}".* counter packets (\\d+)`).exec(text)?.[1]);
    return { wan1: of("wan1"), wan2: of("wan2"), otb0: of("otb0") };
  }

  inDevice(words: string[], input?: string): Promise<string> {
    return run(["ip", "netns", "exec", this.device, ...words], input);
  }

  inFar(words: string[], input?: string): Promise<string> {
    return run(["ip", "netns", "exec", this.far, ...words], input);
  }

  /** Has the device send one datagram to each target, from a new port each. */
  async send(targets: { address: string; port: number }[]): Promise<void> {
    const code = `for (const { address, port } of ${JSON.stringify(targets)}) {
      const socket = Deno.listenDatagram({ transport: "udp", hostname: address.includes(":") ? "::" : "0.0.0.0", port: 0 });
      await socket.send(new Uint8Array(8), { transport: "udp", hostname: address, port }).catch(() => {});
      socket.close();
    }`;
    const words = ["ip", "netns", "exec", this.device, Deno.execPath(), "run", "-A", "--quiet", "--no-lock"];
    await run([...words, "--unstable-net", "-"], code);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const name of [this.box, this.device, this.far]) {
      await run(["ip", "netns", "delete", name]).catch(() => {});
    }
  }
}

/** What the core gives nft for a table. */
export function script(body: string): string {
  const table = "table inet otb_device_pinning";
  return `add ${table}\ndelete ${table}\n${table} {\n${body}\n}\n`;
}

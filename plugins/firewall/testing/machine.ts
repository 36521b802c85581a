// Shared by the tests of this folder: a machine with a LAN, a link, a port that nobody named and a container, in namespaces.

/** Who is at each side of the machine, and the machine's own address there. */
export const SIDES = {
  lan: { device: "lan0", own: "192.168.100.1", station: "192.168.100.10" },
  link: { device: "wan1", own: "192.168.11.2", station: "192.168.11.1" },
  others: { device: "eth5", own: "192.168.12.2", station: "192.168.12.1" },
  container: { device: "docker0", own: "172.17.0.1", station: "172.17.0.2" },
} as const;
export type Side = keyof typeof SIDES;

/** An address of the Internet that the LAN's station has, as what a modem on the LAN's wire lets in. */
export const PUBLIC = "203.0.113.9";

/** Ports that the machine and all stations listen on, TCP and UDP. */
export const PORTS = [22, 53, 67, 80, 443, 1080, 5353, 8080, 8443];

/** Runs a program to its end, with text for its input. @throws Error with what it complained of */
export async function run(words: string[], input = ""): Promise<string> {
  const child = new Deno.Command(words[0]!, {
    args: words.slice(1),
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
    env: { LC_ALL: "C" },
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input));
  await writer.close();
  const { success, stdout, stderr } = await child.output();
  if (!success) throw new Error(`${words.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}

/** Listens on all ports and answers every datagram; says when it does. */
const LISTEN = `
const ports = JSON.parse(Deno.args[0]);
for (const port of ports) {
  const listener = Deno.listen({ hostname: "::", port });
  (async () => { for await (const connection of listener) connection.close(); })();
  const socket = Deno.listenDatagram({ transport: "udp", hostname: "::", port });
  (async () => { for await (const [bytes, from] of socket) await socket.send(bytes, from).catch(() => {}); })();
}
console.log("listening");
`;

/** Which of the ports answer; each is tried for a moment, all at once. */
const SCAN = `
const { host, ports, source } = JSON.parse(Deno.args[0]);
const found = { tcp: [], udp: [] };
await Promise.all(ports.flatMap((port) => [
  Promise.race([
    Deno.connect({ hostname: host, port }).then((c) => { c.close(); found.tcp.push(port); }, () => {}),
    new Promise((resolve) => setTimeout(resolve, 700)),
  ]),
  (async () => {
    const socket = Deno.listenDatagram({ transport: "udp", hostname: source ?? (host.includes(":") ? "::" : "0.0.0.0"), port: 0 });
    const timer = setTimeout(() => socket.close(), 700);
    try {
      await socket.send(new Uint8Array(4), { transport: "udp", hostname: host, port });
      await socket.receive();
      found.udp.push(port);
      clearTimeout(timer);
      socket.close();
    } catch { /* nobody, or it is refused */ }
  })(),
]));
for (const list of Object.values(found)) list.sort((a, b) => a - b);
console.log(JSON.stringify(found));
Deno.exit();
`;

/** The machine and its stations. */
export class Machine implements AsyncDisposable {
  readonly #id = crypto.randomUUID().slice(0, 8);
  readonly #children: Deno.ChildProcess[] = [];

  static async up(): Promise<Machine> {
    const machine = new Machine();
    try {
      await machine.#build();
    } catch (error) {
      await machine[Symbol.asyncDispose]();
      throw error;
    }
    return machine;
  }

  space(role: Side | "machine"): string {
    return `otbfw-${this.#id}-${role}`;
  }

  async #build(): Promise<void> {
    const sides = Object.entries(SIDES) as [Side, typeof SIDES[Side]][];
    for (const role of ["machine", ...sides.map(([side]) => side)] as const) {
      await run(["ip", "netns", "add", this.space(role)]);
      await run(["ip", "-n", this.space(role), "link", "set", "lo", "up"]);
    }
    for (const [side, { device, own, station }] of sides) {
      const port = side === "container" ? "veth0" : device;
      await this.ip("machine", [
        ...side === "container" ? [`link add ${device} type bridge`, `link set ${device} up`] : [],
        `link add ${port} type veth peer name eth0 netns ${this.space(side)}`,
        ...side === "container" ? [`link set ${port} master ${device}`] : [],
        `link set ${port} up`,
        `address add ${own}/24 dev ${device}`,
      ]);
      await this.ip(side, [
        "link set eth0 up",
        `address add ${station}/24 dev eth0`,
        `route add default via ${own}`,
      ]);
    }
    await this.ip("lan", [`address add ${PUBLIC}/32 dev eth0`]);
    await this.ip("machine", [`route add ${PUBLIC} dev lan0`]);
    await this.in("machine", ["sysctl", "-qw", "net.ipv4.ip_forward=1"]);
    await Promise.all(
      (["machine", ...sides.map(([side]) => side)] as const).map((role) => this.#listen(role)),
    );
  }

  async #listen(role: Side | "machine"): Promise<void> {
    const child = new Deno.Command("ip", {
      args: [
        "netns",
        "exec",
        this.space(role),
        Deno.execPath(),
        "eval",
        "--unstable-net",
        LISTEN,
        JSON.stringify(PORTS),
      ],
      stdin: "null",
      stdout: "piped",
    }).spawn();
    this.#children.push(child);
    const reader = child.stdout.getReader();
    await reader.read();
    await reader.cancel();
  }

  async ip(role: Side | "machine", lines: string[]): Promise<void> {
    for (const line of lines) await run(["ip", "-n", this.space(role), ...line.split(" ")]);
  }

  in(role: Side | "machine", words: string[], input?: string): Promise<string> {
    return run(["ip", "netns", "exec", this.space(role), ...words], input);
  }

  /** Puts a table's body in force, as the core does. */
  async load(body: string): Promise<void> {
    const table = "table inet otb_firewall";
    await this.in("machine", ["nft", "-f", "-"], `add ${table}\ndelete ${table}\n${table} {\n${body}\n}\n`);
  }

  /** Which ports of a host a station reaches; `host` is the machine on its side unless another is said. */
  async reaches(
    side: Side,
    host: string = SIDES[side].own,
    ports = PORTS,
  ): Promise<{ tcp: number[]; udp: number[] }> {
    const asked = JSON.stringify({ host, ports });
    return JSON.parse(await this.in(side, [Deno.execPath(), "eval", "--unstable-net", SCAN, asked]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#children) {
      child.kill("SIGKILL");
      await child.status;
    }
    for (const role of ["machine", ...Object.keys(SIDES)] as const) {
      await run(["ip", "netns", "delete", this.space(role as Side)]).catch(() => {});
    }
  }
}

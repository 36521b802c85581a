// A box and a peer joined by a wire alone, with no rate, delay or emulator between them, and the Internet server behind the
// peer: where what is measured is what the two ends can do.
//
//   box ── wan1 198.51.100.12 ── 198.51.100.11 and .9 ── site1 ── 203.0.113.1 ── server 203.0.113.10
//    └─ lan0
import { End, PEER_ADDRESS, PEER_PORT, SERVER_ADDRESS } from "../worlds/world.ts";
import { sweepBenches } from "./hops.ts";

const ROLES = ["box", "site1", "server", "device"] as const;
type Role = (typeof ROLES)[number];

/** The wire's addresses: of the box, and of the peer's end as the box's gateway. */
export const BOX_WIRE = "198.51.100.12", GATEWAY = "198.51.100.9";

/** Four namespaces; `using` takes them down with all that runs there. */
export class Wire {
  readonly box: End;
  readonly cloud: End;
  #otbIsSet = false;

  private constructor(private readonly folder: string) {
    this.box = new End(this, "box", `${folder}/box`);
    this.cloud = new End(this, "site1", `${folder}/cloud`);
  }

  static async up(): Promise<Wire> {
    await sweepBenches();
    const wire = new Wire(await Deno.makeTempDir({ prefix: "otb" }));
    try {
      await wire.#build();
    } catch (error) {
      await wire.down();
      throw error;
    }
    return wire;
  }

  async #build(): Promise<void> {
    const ns = (role: Role) => this.namespace(role);
    await ip(ROLES.map((role) => `netns add ${ns(role)}`));
    await ip([
      `link add wan1 netns ${ns("box")} type veth peer name eth0 netns ${ns("site1")}`,
      `link add lan0 netns ${ns("box")} type veth peer name eth0 netns ${ns("device")}`,
      `link add net0 netns ${ns("site1")} type veth peer name eth0 netns ${ns("server")}`,
    ]);
    const lines: Record<Role, string[]> = {
      box: ["link set wan1 up", "link set lan0 up"],
      site1: [
        "link set eth0 up",
        `address add ${PEER_ADDRESS}/29 dev eth0`,
        `address add ${GATEWAY}/29 dev eth0`,
        "link set net0 up",
        "address add 203.0.113.1/24 dev net0",
      ],
      server: [
        "link set eth0 up",
        `address add ${SERVER_ADDRESS}/24 dev eth0`,
        "route add default via 203.0.113.1",
      ],
      device: ["link set eth0 up"],
    };
    for (const role of ROLES) {
      await ip(["link set lo up", ...lines[role]], this.namespace(role));
      await this.run(role, [
        ...[
          "sysctl",
          "-qw",
          "net.ipv4.tcp_rmem=4096 131072 33554432",
          "net.ipv4.tcp_wmem=4096 131072 33554432",
        ],
      ]);
    }
    await this.run("site1", ["sysctl", "-qw", "net.ipv4.ip_forward=1"]);
  }

  namespace(role: string): string {
    return `otbbench${Deno.pid}-${role}`;
  }

  /** A command in the namespace of a role. */
  spawn(role: string, command: string[], options: Deno.CommandOptions = {}): Deno.ChildProcess {
    return new Deno.Command("ip", { ...options, args: ["netns", "exec", this.namespace(role), ...command] })
      .spawn();
  }

  /** The same to its end; what it printed. @throws Error with what it said */
  async run(role: string, command: string[]): Promise<string> {
    const child = this.spawn(role, command, { stdin: "null", stdout: "piped", stderr: "piped" });
    const { success, stdout, stderr } = await child.output();
    const said = new TextDecoder().decode(stdout);
    if (!success) throw new Error(`${command.join(" ")}: ${new TextDecoder().decode(stderr)}${said}`);
    return said;
  }

  /** Starts otb on both ends, as a user would, set up with the wire as its link. */
  async startOtb(): Promise<void> {
    if (!this.#otbIsSet) {
      const port = String(PEER_PORT);
      const made = await this.cloud.otb(["init", "cloud", "--address", PEER_ADDRESS, "--port", port]);
      await this.box.otb(["init", "box", "--join", "-"], (made as { joinCode: string }).joinCode);
      await this.box.otb(["lan", "set", "--interface", "lan0", "--address", "192.168.100.1/24"]);
      const address = ["--address", `${BOX_WIRE}/29`, "--gateway", GATEWAY];
      await this.box.otb(["link", "add", "wire", "--interface", "wan1", ...address]);
      this.#otbIsSet = true;
    }
    await Promise.all([this.cloud.up(), this.box.up()]);
  }

  async stopOtb(): Promise<void> {
    await Promise.all([this.cloud.down(), this.box.down()]);
  }

  async down(): Promise<void> {
    await Promise.allSettled([this.box.down(), this.cloud.down()]);
    await sweepBenches({ own: true });
    await Deno.remove(this.folder, { recursive: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.down();
  }
}

async function ip(lines: string[], namespace?: string): Promise<void> {
  const child = new Deno.Command("ip", {
    args: [...(namespace ? ["-n", namespace] : []), "-batch", "-"],
    stdin: "piped",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(lines.join("\n") + "\n"));
  await writer.close();
  const { success, stderr } = await child.output();
  if (!success) throw new Error(`ip: ${new TextDecoder().decode(stderr)}`);
}

// A house where everything is plugged into one LAN: a box, modems that serve DHCP, and devices, each in a namespace
// otb-<name>-<role> on one bridge. Nothing but their DHCP is emulated: clients and servers are the real programs.
import type { Json } from "../../core/client/mod.ts";
import { sweepDeadLabs } from "../lab/lab.ts";
import { endWithMe } from "../lab/lab_state.ts";
import { untilServing } from "../lab/serving.ts";
import { End, PEER_ADDRESS, PEER_PORT, ROOT } from "./world.ts";

/** What a modem serves with. */
export type ServerKind = "dnsmasq" | "udhcpd" | "dhcpd" | "refusing";
/** What a device asks with. */
export type ClientKind = "udhcpc" | "dhclient" | "dhcpcd";

/** What may be said of a house. */
export interface HouseOptions {
  /** Its stations have IPv6. */
  ipv6?: boolean;
  /** Beginnings of facts that `tell` tells, by a plugin of its own in a copy of the otb tree. */
  told?: string[];
  /** The box's state directory, where it is not to be a temporary one. */
  state?: string;
}

/** Beyond every modem; what answers here is the Internet. */
export const INTERNET = "203.0.113.10";
const HOOK = `${ROOT}/tests/lab/dhcp_hook.sh`;

/** The command of a DHCP client on `eth0` that stays in the foreground; `folder` takes its files. */
export async function clientCommand(kind: ClientKind, folder: string, hostName: string): Promise<string[]> {
  await Deno.writeTextFile(
    `${folder}/dhclient.conf`,
    `timeout 20;\nretry 2;\nsend host-name "${hostName}";\nrequest subnet-mask, routers, domain-name-servers;\n`,
  );
  return {
    udhcpc: [
      ...["udhcpc", "-f", "-i", "eth0", "-s", HOOK, "-t", "5", "-T", "1", "-A", "2"],
      ...["-x", `hostname:${hostName}`],
    ],
    dhclient: [
      ...["dhclient", "-4", "-d", "-sf", HOOK, "-cf", `${folder}/dhclient.conf`],
      ...["-lf", `${folder}/leases`, "-pf", `${folder}/pid`, "eth0"],
    ],
    // It keeps its files in fixed places: each gets its own.
    dhcpcd: [
      ...["unshare", "--mount", "--propagation=slave", "sh", "-c"],
      "mkdir -p /run/dhcpcd /var/lib/dhcpcd; mount -t tmpfs none /run/dhcpcd && mount -t tmpfs none /var/lib/dhcpcd && " +
      `exec dhcpcd -4 -B -q -f /dev/null -C resolv.conf -C hostname -h "${hostName}" -t 0 eth0`,
    ],
  }[kind];
}

/** One raised house; `await using` takes it down. */
export class House {
  readonly box: End;
  readonly #names: string[] = [];
  readonly #children: Deno.ChildProcess[] = [];
  readonly #servers = new Map<string, Deno.ChildProcess>();
  readonly #isGone: () => void;

  private constructor(
    readonly name: string,
    readonly folder: string,
    private readonly options: HouseOptions,
  ) {
    this.#isGone = endWithMe(name);
    this.box = new End(this, "box", options.state ?? `${folder}/box`, options.told ? `${folder}/otb` : ROOT);
  }

  /** The box's own address is `lan`, CIDR. */
  static async up(name: string, lan: string, options: HouseOptions = {}): Promise<House> {
    await sweepDeadLabs();
    const house = new House(name, await Deno.makeTempDir({ prefix: "otb" }), options);
    try {
      if (options.told) await copyTree(house.box.root, options.told);
      await house.#space("lan");
      await house.ip("lan", "link add bridge type bridge", "link set bridge up");
      await house.#plug("box", "lan0");
      const cloud = new End(house, "box", `${house.folder}/cloud`);
      const { joinCode } = await cloud.otb([
        ...["init", "cloud", "--address", PEER_ADDRESS, "--port", String(PEER_PORT)],
      ]) as { joinCode: string };
      await house.box.otb(["init", "box", "--join", "-"], joinCode);
      await house.box.otb(["lan", "set", "--interface", "lan0", "--address", lan]);
      return house;
    } catch (error) {
      await house.down();
      throw error;
    }
  }

  /** Has the box's plugins hear of a fact that is under `told`, or of its end. */
  async tell(key: string, fact: object | undefined): Promise<void> {
    await (await this.box.core()).act("test-teller", "tell", { key, value: (fact ?? null) as Json });
  }

  space(role: string): string {
    return `otb-${this.name}-${role}`;
  }

  spawn(role: string, command: string[], options: Deno.CommandOptions = {}): Deno.ChildProcess {
    const child = new Deno.Command("ip", {
      ...options,
      args: ["netns", "exec", this.space(role), ...command],
    }).spawn();
    this.#children.push(child);
    return child;
  }

  /** Runs a command to its end and answers what it printed; a failure is in `success`. */
  async run(role: string, command: string[]): Promise<{ success: boolean; text: string }> {
    const { success, stdout, stderr } = await this.spawn(role, command, {
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).output();
    return { success, text: new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr) };
  }

  /** Runs lines of ip(8). @throws Error */
  async ip(role: string, ...lines: string[]): Promise<void> {
    for (const line of lines) {
      const { success, text } = await this.run(role, ["ip", ...line.split(" ")]);
      if (!success) throw new Error(`ip ${line} in ${role}: ${text}`);
    }
  }

  async #space(role: string): Promise<void> {
    const name = this.space(role);
    this.#names.push(name);
    const { success } = await new Deno.Command("ip", { args: ["netns", "add", name], stderr: "null" })
      .output();
    if (!success) throw new Error(`cannot make the namespace ${name}`);
    const ipv6 = this.options.ipv6 ? 0 : 1;
    await this.run(role, [
      "sh",
      "-c",
      `for f in all default; do echo ${ipv6} > /proc/sys/net/ipv6/conf/$f/disable_ipv6; done; ip link set lo up`,
    ]);
  }

  /** A station on the LAN's bridge. */
  async #plug(role: string, device: string): Promise<void> {
    await this.#space(role);
    await this.ip(
      "lan",
      `link add ${role} type veth peer name ${device} netns ${this.space(role)}`,
      `link set ${role} master bridge up`,
    );
    await this.ip(role, `link set ${device} up`);
  }

  /** A station without DHCP of its own; its address is CIDR. */
  async station(role: string, address?: string): Promise<void> {
    await this.#plug(role, "eth0");
    if (address) await this.ip(role, `address add ${address} dev eth0`);
  }

  /** A modem at `<net>.1` (or another host there) with the Internet behind it. */
  async modem(role: string, net: string, host = 1): Promise<void> {
    await this.station(role, `${net}.${host}/24`);
    await this.ip(role, `address add ${INTERNET}/32 dev lo`);
  }

  /** Switches a modem's DHCP server on: `.100` to `.150` for `leaseSeconds`. */
  async serve(role: string, kind: ServerKind, net: string, leaseSeconds = 3600, host = 1): Promise<void> {
    const folder = await Deno.makeTempDir({ dir: this.folder });
    await Deno.writeTextFile(`${folder}/leases`, "");
    await Deno.writeTextFile(
      `${folder}/udhcpd.conf`,
      `start ${net}.100\nend ${net}.150\ninterface eth0\nlease_file ${folder}/leases\npidfile ${folder}/pid\n` +
        `option subnet 255.255.255.0\noption router ${net}.${host}\noption dns ${net}.${host}\noption lease ${leaseSeconds}\nmin_lease ${
          Math.min(60, leaseSeconds)
        }\n`,
    );
    await Deno.writeTextFile(
      `${folder}/dhcpd.conf`,
      `authoritative; default-lease-time ${leaseSeconds}; max-lease-time ${leaseSeconds};\n` +
        `subnet ${net}.0 netmask 255.255.255.0 { range ${net}.100 ${net}.150; option routers ${net}.${host}; }\n`,
    );
    const commands = {
      dnsmasq: [
        ...["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--interface=eth0"],
        ...[
          "--bind-interfaces",
          "--dhcp-authoritative",
          `--dhcp-range=${net}.100,${net}.150,${leaseSeconds}`,
        ],
        ...[`--dhcp-leasefile=${folder}/leases`, "--pid-file="],
      ],
      // It cannot be switched off, but for one device it has no address to give.
      refusing: [
        ...["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--interface=eth0"],
        ...["--bind-interfaces", "--dhcp-authoritative", `--dhcp-range=${net}.0,static`],
        ...[`--dhcp-host=02:00:00:00:99:99,${net}.77`, `--dhcp-leasefile=${folder}/leases`, "--pid-file="],
      ],
      udhcpd: ["udhcpd", "-f", `${folder}/udhcpd.conf`],
      dhcpd: [
        ...["dhcpd", "-f", "-q", "-cf", `${folder}/dhcpd.conf`, "-lf", `${folder}/leases`],
        ...["-pf", `${folder}/pid`, "eth0"],
      ],
    };
    const quiet = { stdin: "null", stdout: "null", stderr: "null" } as const;
    const errors = `${folder}/errors`;
    const server = this.spawn(role, ["sh", "-c", 'exec "$@" 2>"$0"', errors, ...commands[kind]], quiet);
    this.#servers.set(role, server);
    await untilServing(server, `${kind} of ${role}`, errors);
  }

  /** Has a modem announce itself as IPv6 router, with the prefix of its own address (CIDR). */
  async announce(role: string, address: string): Promise<void> {
    await this.ip(role, `address add ${address} dev eth0 nodad`);
    await this.run(role, ["sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/all/forwarding"]);
    this.spawn(role, [
      ...[
        "dnsmasq",
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--port=0",
        "--interface=eth0",
        "--pid-file=",
      ],
      ...[
        "--bind-dynamic",
        "--leasefile-ro",
        "--enable-ra",
        "--dhcp-range=::,constructor:eth0,ra-only,64,1800",
      ],
    ], { stdin: "null", stdout: "null", stderr: "null" });
  }

  /** Switches a modem's DHCP server off. */
  async silence(role: string): Promise<void> {
    await end(this.#servers.get(role));
    this.#servers.delete(role);
  }

  /** Starts a DHCP client in a new device, or in one that is there. */
  async device(
    role: string,
    kind: ClientKind,
    options: { hostName?: string; fresh?: boolean } = {},
  ): Promise<Deno.ChildProcess> {
    if (!this.#names.includes(this.space(role))) await this.#plug(role, "eth0");
    const folder = await Deno.makeTempDir({ dir: this.folder });
    const command = await clientCommand(kind, folder, options.hostName ?? role);
    return this.spawn(role, command, { stdin: "null", stdout: "null", stderr: "null" });
  }

  /** IPv4 addresses and default router of a device. */
  async seen(role: string): Promise<{ addresses: string[]; router?: string }> {
    const [addresses, routes] = await Promise.all([
      this.run(role, ["ip", "-4", "-o", "address", "show", "dev", "eth0"]),
      this.run(role, ["ip", "-4", "route", "show", "default"]),
    ]);
    return {
      addresses: [...addresses.text.matchAll(/inet (\d+\.\d+\.\d+\.\d+)/g)].map(([, address]) => address!),
      router: /via (\S+)/.exec(routes.text)?.[1],
    };
  }

  /** Waits until a device has an address that fits. */
  async address(role: string, pattern: RegExp, boundMs = 120_000): Promise<string> {
    return await eventually(
      `${role} gets ${pattern}`,
      async () => (await this.seen(role)).addresses.find((address) => pattern.test(address)),
      boundMs,
    );
  }

  /** Waits until a device leaves by that router: a client sets it a moment after the address. */
  async router(role: string, router: string): Promise<void> {
    await eventually(
      `${role} leaves by ${router}`,
      async () => (await this.seen(role)).router === router,
    );
  }

  /** Ends everything in a namespace at once, as when its power goes, and waits until it is gone. */
  async kill(role: string): Promise<void> {
    for (;;) {
      const { stdout } = await new Deno.Command("ip", { args: ["netns", "pids", this.space(role)] }).output();
      const pids = new TextDecoder().decode(stdout).split("\n").filter((line) => line !== "");
      if (pids.length === 0) return;
      for (const pid of pids) {
        try {
          Deno.kill(Number(pid), "SIGKILL");
        } catch {
          // It ended by itself.
        }
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async down(): Promise<void> {
    await Promise.race([this.box.down(), new Promise((resolve) => setTimeout(resolve, 15_000))]).catch(
      () => {},
    );
    for (const name of this.#names) {
      const { stdout } = await new Deno.Command("ip", { args: ["netns", "pids", name], stderr: "null" })
        .output();
      for (const pid of new TextDecoder().decode(stdout).split("\n").filter((line) => line !== "")) {
        try {
          Deno.kill(Number(pid), "SIGKILL");
        } catch {
          // It ended by itself.
        }
      }
    }
    await Promise.all(this.#children.map((child) => child.status));
    for (const name of this.#names) {
      await new Deno.Command("ip", { args: ["netns", "delete", name], stderr: "null" }).output();
    }
    this.#isGone();
    await Deno.remove(this.folder, { recursive: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.down();
  }
}

/** A copy of what runs of the otb tree, with one plugin more, which tells the facts that it is told. */
async function copyTree(to: string, publishes: string[]): Promise<void> {
  await Deno.mkdir(`${to}/plugins/test-teller`, { recursive: true });
  const parts = ["core", "plugins", "deno.json", "deno.lock", "otb"].map((part) => `${ROOT}/${part}`);
  const commands = [["cp", "-a", ...parts, to], ["ln", "-s", `${ROOT}/target`, `${ROOT}/.cache`, to]];
  for (const [command = "", ...args] of commands) {
    const { success } = await new Deno.Command(command, { args }).output();
    if (!success) throw new Error(`cannot copy ${ROOT} to ${to}`);
  }
  const otb = { contract: "^2", summary: "Tells what a test says", roles: ["box"], publishes };
  await Deno.writeTextFile(
    `${to}/plugins/test-teller/deno.json`,
    JSON.stringify({ name: "@otb/test-teller", version: "1.0.0", exports: "./mod.ts", otb }),
  );
  await Deno.writeTextFile(
    `${to}/plugins/test-teller/mod.ts`,
    `import * as z from "zod/mini";
import { action, type Context, definePlugin, fact } from "@otb/plugin";
export default definePlugin({
  config: z.strictObject({}),
  start: (ctx) => ctx,
  actions: {
    tell: action({
      summary: "Tell a fact",
      args: z.object({ key: z.string(), value: z.any() }),
      run: (ctx: Context<object>, { key, value }) => (ctx.facts.publish(fact(key, z.any()), value ?? undefined), null),
    }),
  },
});
`,
  );
}

/** The process of the box with that name; NaN without any. */
export async function pidOf(house: House, program: string): Promise<number> {
  const { text } = await house.run("box", [
    "sh",
    "-c",
    `for p in $(ip netns pids ${house.space("box")}); do echo $p $(cat /proc/$p/comm); done`,
  ]);
  return Number(new RegExp(`^(\\d+) ${program}$`, "m").exec(text)?.[1]);
}

/** Ends a process that may be gone. */
export async function end(child: Deno.ChildProcess | undefined): Promise<void> {
  try {
    child?.kill("SIGTERM");
  } catch {
    // It ended by itself.
  }
  await child?.status;
}

/** Waits for something to be there; the bound is far beyond what any machine needs. */
export async function eventually<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
  boundMs = 120_000,
): Promise<T> {
  const end = performance.now() + boundMs;
  while (performance.now() < end) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error(`never happened within ${boundMs / 1000} s: ${what}`);
}

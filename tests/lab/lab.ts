// The world on one machine, in network namespaces named otb-<lab>-<role>:
//
//   server 203.0.113.10 ── inet ──┬── site1 198.51.100.11
//                           │     └── site2 198.51.100.22
//            198.18.i.1     │ one veth pair a link
//                         [emu]   rate, delay, queue, loss, jitter, cut: netem, or tests/lab/emulator
//            198.18.i.2     │
//                        modem<i> ── solo<i> 192.168.(10+i).50   a device plugged straight into this modem
//        192.168.(10+i).1   │
//                      wan<i> (no address: otb gives it)
//                          box
//                         lan0 (no address: otb gives it)
//                           │
//                     device1..k  192.168.100.10+, default gateway 192.168.100.1
//
// A modem may be on the LAN's segment instead of a port, have another address, and run a DHCP server: modem.ts.
// Every lab has its own set of namespaces, so any number live side by side.
import { OtbError } from "@otb/plugin";
import { startTicks } from "../../core/supervisor/process.ts";
import { blackHole } from "./black_hole.ts";
import { chooseEmulation, type Emulation, type LinkCounters } from "./emulation.ts";
import { NetemEmulation } from "./emulation_netem.ts";
import { OwnEmulation } from "./emulation_own.ts";
import { addressOf, type ModemSpec, serverCommand, serverConfig, type ServerKind } from "./modem.ts";
import { checkLimits, type LinkSpec } from "./parse.ts";
import {
  alive,
  knownLabs,
  labExists,
  type LabSpec,
  listNamespaces,
  readState,
  requireLabName,
  stands,
  type State,
  STATES,
} from "./lab_state.ts";
import { run } from "./run.ts";
import { untilServing } from "./serving.ts";
import { topology } from "./topology.ts";

export type { LabSpec } from "./lab_state.ts";
export type { LinkSpec } from "./parse.ts";

/** The least time that a cable is out when it is plugged elsewhere. */
const HAND_MS = 700;

/** How to change a link while it runs. */
export type LinkChange = Partial<
  Pick<
    LinkSpec,
    "downMbps" | "upMbps" | "delayMs" | "jitterMs" | "lossPercent" | "queueBytes" | "wholeBytes"
  >
>;

/** A raised lab. */
export class Lab {
  private constructor(readonly name: string, private state: State) {}

  get links(): LinkSpec[] {
    return this.state.spec.links;
  }

  /** Raises a lab, sweeping what a crashed one of that name left. @throws OtbError `lab-exists`, `lab-failed` */
  static async up(name: string, spec: LabSpec): Promise<Lab> {
    requireLabName(name);
    await sweepDeadLabs();
    if (stands(name)) throw labExists(name);
    const lab = new Lab(name, {
      spec,
      cuts: {},
      // While it rises it is its maker's in any case.
      owner: { pid: Deno.pid, startTicks: startTicks(Deno.pid)! },
    });
    await lab.down();
    Deno.mkdirSync(STATES, { recursive: true, mode: 0o700 });
    try {
      // Of two at once, only one makes it.
      Deno.mkdirSync(`${STATES}/${name}`, { mode: 0o700 });
    } catch (error) {
      throw error instanceof Deno.errors.AlreadyExists ? labExists(name) : error;
    }
    lab.#save();
    try {
      await lab.#build();
      if (!spec.owner) delete lab.state.owner;
      lab.#save();
    } catch (error) {
      await lab.down();
      throw error;
    }
    return lab;
  }

  /** A lab that another process raised. @throws OtbError `lab-unknown` */
  static attach(name: string): Lab {
    requireLabName(name);
    const state = readState(name);
    if (!state) {
      throw new OtbError(
        "lab-unknown",
        `Cannot use a lab as none of that name is up: current value is "${name}"`,
        "otb lab list",
      );
    }
    return new Lab(name, state);
  }

  /** Names of the labs that are up. */
  static list(): string[] {
    return knownLabs().filter(stands);
  }

  namespace(role: string): string {
    return `otb-${this.name}-${role}`;
  }

  /** A command in the namespace of a role. */
  spawn(role: string, command: string[], options: Deno.CommandOptions = {}): Deno.ChildProcess {
    return new Deno.Command("ip", { ...options, args: ["netns", "exec", this.namespace(role), ...command] })
      .spawn();
  }

  /** Changes a link in both directions while packets flow. @throws OtbError `link-unknown` */
  async set(link: string, change: LinkChange): Promise<void> {
    const spec = this.#link(link);
    checkLimits({ ...change });
    Object.assign(spec, change);
    this.#save();
    const index = this.links.indexOf(spec);
    await this.#emulation().shape(index, spec);
    if ("wholeBytes" in change) await this.#swallow(index + 1, spec.wholeBytes);
  }

  /** Makes a link lose packets of more than so many bytes, each way where it ends. */
  async #swallow(i: number, bytes: number | undefined): Promise<void> {
    for (const [role, device] of [[`modem${i}`, "wan"], ["inet", `link${i}`]] as const) {
      await run("ip", ["netns", "exec", this.namespace(role), "nft", "-f", "-"], blackHole(device, bytes));
    }
  }

  /** Drops every packet silently, both ways; the interfaces keep their carrier. */
  async cut(link: string): Promise<void> {
    await this.#emulation().cut(this.links.indexOf(this.#link(link)));
    this.#save();
  }

  async restore(link: string): Promise<void> {
    await this.#emulation().restore(this.links.indexOf(this.#link(link)));
    this.#save();
  }

  /** Plugs a modem's LAN cable in, or pulls it: both ends lose their carrier. */
  async plug(link: string, into = true): Promise<void> {
    const { modem } = this.#modem(link);
    await run("ip", ["-n", this.namespace(modem), "link", "set", "box", into ? "up" : "down"]);
  }

  /** Exchanges the sockets that two modems' LAN cables are plugged into, as slowly as a quick hand does. */
  async swap(link: string, other: string): Promise<void> {
    const [a, b] = [this.#modem(link), this.#modem(other)].map(({ modem }) => this.namespace(modem));
    await Promise.all([this.plug(link, false), this.plug(other, false)]);
    await new Promise((resolve) => setTimeout(resolve, HAND_MS));
    const script = `
      ip -n ${a} link set box netns ${b} name moved
      ip -n ${b} link set box netns ${a}
      ip -n ${b} link set moved name box
      for modem in ${a} ${b}; do ip -n $modem link set box master lan up; done`;
    await run("sh", ["-ec", script]);
  }

  /** Ends a modem's DHCP server, and starts one of this kind; it serves when this resolves. @throws OtbError `lab-failed` */
  async dhcp(link: string, kind: ServerKind | undefined): Promise<void> {
    const { modem, spec, index } = this.#modem(link);
    const servers = this.state.servers ??= {};
    const running = servers[link];
    delete servers[link];
    if (running && alive(running)) Deno.kill(running.pid, "SIGKILL");
    while (alive(running)) await new Promise((resolve) => setTimeout(resolve, 10));
    if (kind) {
      const folder = `${STATES}/${this.name}/${modem}`;
      await Deno.mkdir(folder, { recursive: true });
      await Deno.writeTextFile(`${folder}/config`, serverConfig(kind, spec, addressOf(spec, index), folder));
      await Deno.writeTextFile(`${folder}/leases`, "", { append: true });
      const quiet = { stdin: "null", stdout: "null", stderr: "null", detached: true } as const;
      const errors = `${folder}/errors`;
      const command = ["sh", "-c", 'exec "$@" 2>"$0"', errors, ...serverCommand(kind, folder)];
      const child = this.spawn(modem, command, quiet);
      child.unref();
      servers[link] = { pid: child.pid, startTicks: startTicks(child.pid)! };
      await untilServing(child, `${kind} of ${link}`, errors);
    }
    this.#save();
  }

  /** Gives a modem another address and subnet, as somebody would on its web page; its DHCP server is to be started anew. */
  async renumber(link: string, address: string): Promise<void> {
    const { modem, spec, index } = this.#modem(link);
    await this.dhcp(link, undefined);
    const device = ["dev", "lan"];
    await run("ip", ["-n", this.namespace(modem), "address", "delete", addressOf(spec, index), ...device]);
    await run("ip", ["-n", this.namespace(modem), "address", "add", address, ...device]);
    const modems = this.state.spec.modems ??= [];
    modems[index - 1] = { ...spec, address, pool: undefined };
    this.#save();
  }

  /**
   * The operator gives a modem another public address, as many do each night. The modem forgets its connections; packets of
   * those that go on get a new place in its NAT, a reset, or nothing.
   */
  async readdress(link: string, nat: "picks up" | "resets" | "drops"): Promise<void> {
    const { modem, index } = this.#modem(link);
    const addresses = this.state.addresses ??= {};
    const next = addresses[link] = (addresses[link] ?? 0) + 1;
    const [here, there] = [modem, "inet"].map((role) => this.namespace(role));
    const strange = "ct state invalid tcp flags & (syn | rst) == 0";
    const verdict = nat === "resets" ? "reject with tcp reset" : "drop";
    const script = `
      ip netns exec ${here} sh -ec '
        echo ${nat === "picks up" ? 1 : 0} > /proc/sys/net/netfilter/nf_conntrack_tcp_loose
        nft add table ip forgetful
        nft delete table ip forgetful
        ${
      nat === "picks up"
        ? ":"
        : `nft "table ip forgetful { chain forward { type filter hook forward priority 0; ${strange} ${verdict}; }; }"`
    }'
      ip -n ${there} address replace 198.18.${index}.${4 * next + 1}/30 dev link${index}
      ip -n ${here} address flush dev wan
      ip -n ${here} address add 198.18.${index}.${4 * next + 2}/30 dev wan
      ip -n ${here} route add default via 198.18.${index}.${4 * next + 1}`;
    await run("sh", ["-ec", script]);
    this.#save();
  }

  /** The Ethernet address that a modem has on its LAN side. */
  async macOf(link: string): Promise<string> {
    const shown = await run("ip", [
      "-n",
      this.namespace(this.#modem(link).modem),
      "-j",
      "link",
      "show",
      "lan",
    ]);
    return JSON.parse(shown)[0].address;
  }

  /** What each link carried and dropped. */
  async counters(): Promise<LinkCounters[]> {
    return await this.#emulation().counters();
  }

  /** Ends every process in the lab's namespaces and takes them away; nothing there is success. */
  async down(): Promise<void> {
    const prefix = `otb-${this.name}-`;
    const namespaces = listNamespaces().filter((name) =>
      name.startsWith(prefix) && !name.slice(prefix.length).includes("-")
    );
    const inside =
      (await Promise.all(namespaces.map((name) => run("ip", ["netns", "pids", name], undefined, true)))).join(
        "\n",
      );
    for (const pid of inside.split("\n").filter((line) => line !== "")) {
      try {
        Deno.kill(Number(pid), "SIGKILL");
      } catch {
        // It ended by itself.
      }
    }
    if (namespaces.length > 0) {
      await run(
        "ip",
        ["-force", "-batch", "-"],
        namespaces.map((name) => `netns delete ${name}`).join("\n"),
        true,
      );
    }
    await Deno.remove(`${STATES}/${this.name}`, { recursive: true }).catch(() => {});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.down();
  }

  async #build(): Promise<void> {
    const { links, modems = [] } = this.state.spec;
    const ns = (role: string) => this.namespace(role);
    const { roles, wires, scripts } = topology(this.state.spec, ns);
    await run("ip", ["-batch", "-"], roles.map((role) => `netns add ${ns(role)}`).join("\n"));
    await run("ip", ["-batch", "-"], wires.join("\n"));
    await Promise.all(
      scripts.map(([role, script]) => run("ip", ["netns", "exec", ns(role), "sh", "-e"], script)),
    );
    this.state.emulation = await chooseEmulation(Deno.env.get("OTB_LAB_EMULATION"), () => this.#hasNetem());
    await this.#emulation().start();
    for (const { name, wholeBytes } of links) {
      await this.set(name, wholeBytes === undefined ? {} : { wholeBytes });
    }
    for (const [index, link] of links.entries()) await this.dhcp(link.name, modems[index]?.dhcp);
  }

  #emulation(): Emulation {
    if (this.state.emulation === "netem") {
      return new NetemEmulation(
        this.links,
        this.state.cuts,
        (command, input) => run("ip", ["netns", "exec", this.namespace("emu"), ...command], input),
      );
    }
    return new OwnEmulation(
      `${STATES}/${this.name}/emulator.sock`,
      this.links.map(({ name }) => name),
      (command) => this.#startEmulator(command),
    );
  }

  /** Whether the kernel can be asked for netem: tried where it disturbs nothing. */
  async #hasNetem(): Promise<boolean> {
    const tc = (verb: string) =>
      new Deno.Command("ip", {
        args: ["netns", "exec", this.namespace("emu"), "tc", "qdisc", verb, "dev", "lo", "root", "netem"],
        stdin: "null",
        stdout: "null",
        stderr: "null",
      }).output();
    if (!(await tc("add")).success) return false;
    await tc("delete");
    return true;
  }

  #startEmulator(command: string[]): void {
    const child = this.spawn("emu", command, {
      stdin: "null",
      stdout: "null",
      stderr: "null",
      detached: true,
    });
    child.unref();
    this.state.emulator = { pid: child.pid, startTicks: startTicks(child.pid)! };
    this.#save();
  }

  #modem(link: string): { modem: string; spec: ModemSpec; index: number } {
    const index = this.links.indexOf(this.#link(link)) + 1;
    return { modem: `modem${index}`, spec: this.state.spec.modems?.[index - 1] ?? {}, index };
  }

  #link(name: string): LinkSpec {
    const link = this.links.find((candidate) => candidate.name === name);
    if (!link) {
      throw new OtbError(
        "link-unknown",
        `Cannot change a link as it must be one of ${
          this.links.map(({ name }) => name).join(", ")
        }: current value is "${name}"`,
      );
    }
    return link;
  }

  #save(): void {
    Deno.writeTextFileSync(`${STATES}/${this.name}/lab.json`, JSON.stringify(this.state));
  }
}

/** Takes away the labs whose maker is gone, and with `own` those of this process too. */
export async function sweepDeadLabs({ own = false } = {}): Promise<void> {
  for (const name of knownLabs()) {
    const state = readState(name);
    if (!state?.owner || alive(state.owner) && !(own && state.owner.pid === Deno.pid)) continue;
    try {
      await Lab.attach(name).down();
    } catch (error) {
      // Somebody else swept it in between.
      if ((error as OtbError).code !== "lab-unknown") throw error;
    }
  }
}

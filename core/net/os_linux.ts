// The only code that touches the kernel, with os_linux_watch: runs ip, nft and tc, reads and writes /proc/sys.
import { type CommandOutcome, runCommand } from "../contract/command.ts";
import { OtbError } from "../contract/mod.ts";
import { canonicalSysctlValue } from "./canonical.ts";
import { type Command, commandsOf } from "./commands.ts";
import {
  parseInterfaces,
  parseMptcpEndpoints,
  parseMptcpLimits,
  parseNeighbours,
  parseRoutes,
  parseRules,
  type Printed,
} from "./observe_ip.ts";
import type { Resource, ResourceKind } from "./model.ts";
import { parseNftTables, parseQdiscs, qdiscLines, staticSets } from "./observe_nft_tc.ts";
import {
  ApplyError,
  type Change,
  type Observed,
  type ObservedInterface,
  type Operation,
  type Os,
  type Reread,
  STANDALONE_KINDS,
} from "./os.ts";
import { type Listener, watchKernel } from "./os_linux_watch.ts";

/** The part of the observed state that STANDALONE_KINDS are. */
type Standalone = Partial<Omit<Observed, "interfaces">>;

/** Devices whose queues, and settings whose values are of interest. */
interface Asked {
  qdisc: ReadonlySet<string>;
  sysctl: ReadonlySet<string>;
}

/** The Linux kernel of this network namespace, or of a named one. */
export class OsLinux implements Os {
  readonly #prefix: string[];
  readonly #namespace: string | undefined;
  #observed: Observed | undefined;
  /** Of what was observed: sets that nobody is to change, as `table set`, and the kinds that were asked about. */
  #staticSets: ReadonlySet<string> = new Set();
  #kinds: ReadonlySet<ResourceKind> = new Set();
  /** Devices and settings that were asked about. */
  #asked: Asked = { qdisc: new Set(), sysctl: new Set() };
  #listener: Listener | undefined;

  constructor(options: { namespace?: string } = {}) {
    this.#prefix = options.namespace ? ["ip", "netns", "exec", options.namespace] : [];
    this.#namespace = options.namespace && `/run/netns/${options.namespace}`;
  }

  /** @throws OtbError `observe-failed` */
  async observe(about: Resource[] = [], only?: Reread): Promise<Observed> {
    this.#kinds = new Set(about.map(({ kind }) => kind));
    const asked = {
      qdisc: new Set(about.flatMap((one) => one.kind === "qdisc" ? [one.interface] : [])),
      sysctl: new Set(about.flatMap((one) => one.kind === "sysctl" ? [one.name] : [])),
    };
    // What was read of others does not answer this question.
    const anew = (["qdisc", "sysctl"] as const).filter((kind) =>
      asked[kind].symmetricDifference(this.#asked[kind]).size > 0
    );
    const observed = only
      ? {
        ...only.former,
        ...await this.#observeStandalone(
          only.kinds.union(new Set(anew)),
          asked,
          Promise.resolve(only.former.interfaces),
        ),
      }
      : await this.#observeAll(asked);
    this.#asked = asked;
    return this.#observed = observed;
  }

  async #observeAll(asked: Asked): Promise<Observed> {
    const reading = this.#observeInterfaces();
    const [interfaces, standalone] = await Promise.all([
      reading,
      this.#observeStandalone(new Set(STANDALONE_KINDS), asked, reading),
    ]);
    return { interfaces, ...standalone as Required<typeof standalone> };
  }

  async #observeInterfaces(): Promise<ObservedInterface[]> {
    const interfaces = parseInterfaces(
      jsonArrays(await this.#read(["ip", "-j", "-d", "-N", "address"]))[0] ?? [],
    );
    await this.#addDrivers(interfaces);
    return interfaces;
  }

  /** Routes, rules and neighbours, each family's by one command. */
  async #observeRouting(): Promise<Pick<Observed, "routes" | "rules" | "neighbours">> {
    const batch = "route show table all\nrule show\nneighbour show nud permanent\n";
    const [ipv4, ipv6] = await Promise.all([
      this.#read(["ip", "-4", "-j", "-d", "-N", "-batch", "-"], batch),
      this.#read(["ip", "-6", "-j", "-d", "-N", "-batch", "-"], batch),
    ]);
    const [routes4 = [], rules4 = [], neighbours4 = []] = jsonArrays(ipv4);
    const [routes6 = [], rules6 = [], neighbours6 = []] = jsonArrays(ipv6);
    return {
      routes: [...parseRoutes(routes4, 4), ...parseRoutes(routes6, 6)],
      rules: [...parseRules(rules4, 4), ...parseRules(rules6, 6)],
      neighbours: [...parseNeighbours(neighbours4, 4), ...parseNeighbours(neighbours6, 6)],
    };
  }

  /** Reads what stands alone, side by side, of these kinds. */
  async #observeStandalone(
    kinds: Reread["kinds"],
    asked: Asked,
    interfaces: Promise<ObservedInterface[]>,
  ): Promise<Standalone> {
    let routing: Promise<Standalone> | undefined;
    const readRouting = () => routing ??= this.#observeRouting();
    let manager: Promise<Standalone | undefined> | undefined;
    const askManager = () => manager ??= interfaces.then((known) => this.#listener?.pathManager(known));
    const readers: Record<typeof STANDALONE_KINDS[number], () => Promise<Standalone>> = {
      // A kernel without MPTCP has no such generic netlink family; that is an answer, not a failure.
      mptcpEndpoint: async () => {
        const told = await askManager();
        if (told) return told;
        const { stdout } = await this.#run(["ip", "-j", "mptcp", "endpoint", "show"]);
        return { mptcpEndpoints: parseMptcpEndpoints(jsonArrays(stdout)[0] ?? []) };
      },
      mptcpLimits: async () => {
        const told = await askManager();
        if (told) return told;
        const { stdout } = await this.#run(["ip", "mptcp", "limits", "show"]);
        return { mptcpLimits: parseMptcpLimits(stdout) };
      },
      nftTable: async () => ({ nftTables: await this.#observeNftTables() }),
      route: readRouting,
      rule: readRouting,
      neighbour: readRouting,
      qdisc: async () => {
        const devices = asked.qdisc;
        const lines = qdiscLines(devices).map((line) => `${line}\n`).join("");
        // A device that went meanwhile is an answer.
        const { stdout, stderr } = await this.#run(["tc", "-j", "-force", "-batch", "-"], lines);
        if (stdout === "") throw observeFailed("tc qdisc", stderr);
        return { qdiscs: parseQdiscs(stdout, devices) };
      },
      sysctl: async () => ({ sysctls: await this.#readSysctls([...asked.sysctl]) }),
    };
    return Object.assign({}, ...await Promise.all([...kinds].map((kind) => readers[kind]())));
  }

  /** Sets are listed one by one: several in one script nft 1.0.6 does not find, and a list of all has everybody's. */
  async #observeNftTables(): Promise<Observed["nftTables"]> {
    const ruleset = await this.#read(["nft", "-s", "-t", "list", "ruleset"]);
    const sets = staticSets(ruleset);
    this.#staticSets = new Set(sets.map(({ table, name }) => `${table} ${name}`));
    const lists = await Promise.all(sets.map(async (set) => {
      const { kind, family, table, name } = set;
      const { stdout } = await this.#run(["nft", "-s", "list", kind, family, table, name]);
      return { ...set, text: stdout };
    }));
    return parseNftTables(ruleset, lists);
  }

  /** Physical devices have a driver, whose name sysfs(5) has; of another namespace it shows nothing. */
  async #addDrivers(interfaces: ObservedInterface[]): Promise<void> {
    if (this.#prefix.length > 0) return;
    await Promise.all(
      interfaces.filter(({ type }) => type === undefined).map(async (device) => {
        const path = await Deno.readLink(`/sys/class/net/${device.name}/device/driver`).catch(() =>
          undefined
        );
        device.driver = path?.split("/").at(-1);
      }),
    );
  }

  async apply(operations: Operation[]): Promise<void> {
    const commands = operations.flatMap((operation, index) =>
      commandsOf(operation).map((command) => ({ ...command, index, operation }))
    );
    for (let i = 0; i < commands.length;) {
      const first = commands[i]!;
      if (first.tool === "sysctl") {
        await this.#writeSysctl(first.line, first.index);
        i++;
      } else if (first.tool === "nft") {
        const outcome = await this.#run(["nft", "-f", "-"], first.line);
        if (!outcome.success) {
          throw new ApplyError(first.index, `nft -f - (${first.line.split("\n")[0]})`, outcome.stderr);
        }
        i++;
      } else {
        let end = i;
        while (commands[end]?.tool === first.tool) end++;
        i += await this.#runBatch(commands.slice(i, end));
      }
    }
  }

  takeChange(): Change | undefined {
    try {
      return this.#listener?.takeChange();
    } catch {
      // Its sockets are made anew; who knows what they missed.
      return undefined;
    }
  }

  watch(onChange: (change: Change) => void, signal: AbortSignal): Promise<void> {
    const options = {
      namespace: this.#namespace,
      seen: () =>
        this.#observed && { observed: this.#observed, staticSets: this.#staticSets, kinds: this.#kinds },
      readSysctls: (names: string[]) => this.#readSysctls(names),
      listen: (listener: Listener | undefined) => void (this.#listener = listener),
    };
    return watchKernel(options, onChange, signal);
  }

  /** Runs one batch up to its first failure; gives the number of commands that are dealt with. */
  async #runBatch(commands: (Command & { index: number })[]): Promise<number> {
    const words = commands[0]!.tool.split(" ");
    const outcome = await this.#run(
      [...words, "-batch", "-"],
      commands.map(({ line }) => `${line}\n`).join(""),
    );
    if (outcome.success) return commands.length;
    // Without a line number (killed, or refused by the parser) nothing is known to be done: the first one is named.
    const failedAt = Number(/Command failed -:(\d+)/.exec(outcome.stderr)?.[1] ?? 1) - 1;
    const failed = commands[failedAt]!;
    const text = outcome.stderr.replace(/^Command failed -:\d+\n?/m, "");
    if (failed.tolerated?.test(text)) return failedAt + 1;
    throw new ApplyError(failed.index, `${failed.tool} ${failed.line}`, text);
  }

  async #readSysctls(names: string[]): Promise<Observed["sysctls"]> {
    const found: Observed["sysctls"] = {};
    if (names.length === 0) return found;
    if (this.#prefix.length > 0) {
      const { stdout } = await this.#run(["grep", "-sH", "", ...names.map((name) => `/proc/sys/${name}`)]);
      for (const [, name, value] of stdout.matchAll(/^\/proc\/sys\/([^:]+):(.*)$/gm)) {
        found[name!] = canonicalSysctlValue(value!);
      }
      return found;
    }
    for (const name of names) {
      try {
        // The kernel answers at once; on other threads it would cost ten times as much, and this is done twice a second.
        found[name] = canonicalSysctlValue(Deno.readTextFileSync(`/proc/sys/${name}`));
      } catch {
        // Absence is an answer, and so are write-only settings.
      }
    }
    return found;
  }

  async #writeSysctl(line: string, index: number): Promise<void> {
    const [, name, value] = /^([^=]+)=(.*)$/.exec(line)!;
    const path = `/proc/sys/${name}`;
    try {
      if (this.#prefix.length > 0) {
        const { success, stderr } = await this.#run(["tee", path], value);
        if (!success) throw new Error(stderr);
      } else await Deno.writeTextFile(path, value!, { create: false });
    } catch (error) {
      throw new ApplyError(index, `sysctl -w "${line}"`, (error as Error).message);
    }
  }

  async #read(words: string[], input?: string): Promise<string> {
    const { success, stdout, stderr } = await this.#run(words, input);
    if (success) return stdout;
    throw observeFailed(words.join(" "), stderr);
  }

  async #run(words: string[], input?: string): Promise<Omit<CommandOutcome, "code">> {
    const [program, ...args] = [...this.#prefix, ...words];
    try {
      return await runCommand(program!, { args, input, env: { LC_ALL: "C" } });
    } catch (error) {
      return { success: false, stdout: "", stderr: (error as Error).message };
    }
  }
}

function observeFailed(command: string, text: string): OtbError {
  return new OtbError(
    "observe-failed",
    `Cannot read the kernel's state as "${command}" must succeed: current value is "${text.trim()}"`,
    "Run the command by hand as root; iproute2 and nftables must be installed.",
  );
}

/** The JSON arrays of a batch, one per command that printed something, in order. */
function jsonArrays(text: string): Printed[][] {
  // iproute2 ends each array at the end of a line and never breaks a line inside one.
  return text.split("\n").filter((line) => line.startsWith("[")).map((line) => JSON.parse(line));
}

// A whole otb in a lab: box and peer run as a user runs them, through the launcher, each in its own namespace.
import { connect, type Core, type StatusReport } from "../../core/client/mod.ts";
import type { Arrivals } from "../lab/arrivals.ts";
import { Lab, type LabSpec, type LinkSpec } from "../lab/lab.ts";
import type { Gap } from "../lab/meter.ts";
import {
  type DatagramsOptions,
  type DatagramsReport,
  type QuicOptions,
  type QuicTransfer,
  Traffic,
} from "../lab/traffic.ts";

export const ROOT = new URL("../..", import.meta.url).pathname.replace(/\/$/, "");
/** The peer's port in every world. */
export const PEER_PORT = 8443;
export const PEER_ADDRESS = "198.51.100.11";
export const SERVER_ADDRESS = "203.0.113.10";
export const SERVER_PORT = 8080;
/** Somebody else on the Internet, who answers echo requests and nothing more. */
export const BYSTANDER_ADDRESS = "198.51.100.22";
/** What can carry TCP. */
export const TRANSPORTS = ["striped", "mptcp"] as const;
export type Transport = typeof TRANSPORTS[number];

/** Until every plugin is ready; half a dozen boxes may start beside this one. */
const START_MS = 300_000;

/** One transfer over exactly one TCP connection unless more were asked for, as tests/lab/client.ts reports it. */
export interface Transfer {
  /** When it began to connect, milliseconds since the epoch. */
  startedMs: number;
  bytes: number;
  ms: number;
  mbps: number;
  longestStallMs: number;
  /** When its bytes arrived, on whichever end that is, as far as that end could say. */
  arrivals: Arrivals;
  /** Of one connection. */
  gaps: Gap[];
  sha256?: string;
  checksumOk?: boolean;
  error?: string;
}

export interface TransferOptions {
  bytes?: number;
  seconds?: number;
  upload?: boolean;
  /** An upload leaves what is still on its way when the seconds are over, as a download does. */
  leave?: boolean;
  /** At once, each with `bytes`; default 1. */
  connections?: number;
  /** Leaves out the first seconds from `mbps`. */
  skipSeconds?: number;
  /** Every 100 ms; `stallMs` is the longest time without a byte since the last. */
  onProgress?: (progress: { tMs: number; bytes: number; stallMs: number }) => void;
}

/** One end of otb: its state directory and its `otb up` process. */
export class End {
  process: Deno.ChildProcess | undefined;
  #core: Core | undefined;

  constructor(
    readonly lab: Pick<Lab, "spawn">,
    readonly role: string,
    readonly state: string,
    /** The otb tree that it runs. */
    readonly root = ROOT,
  ) {}

  /** Runs one `otb` command in this end's namespace and returns its JSON. @throws Error with what it printed */
  async otb(args: string[], stdin?: string): Promise<unknown> {
    const { success, stdout, stderr } = await this.tryOtb(args, stdin);
    if (!success) throw new Error(`otb ${args.join(" ")} failed: ${stdout}${stderr}`);
    return stdout.trim() === "" ? undefined : JSON.parse(stdout);
  }

  /** What a person sees of one `otb` command. @throws Error with what it printed */
  async read(args: string[]): Promise<string> {
    const { success, stdout, stderr } = await this.tryOtb(args, undefined, []);
    if (!success) throw new Error(`otb ${args.join(" ")} failed: ${stdout}${stderr}`);
    return stdout;
  }

  /** Runs one without throwing. */
  async tryOtb(args: string[], stdin?: string, form = ["--json"]) {
    const child = this.lab.spawn(this.role, [`${this.root}/otb`, ...args, "--state", this.state, ...form], {
      stdin: stdin === undefined ? "null" : "piped",
      stdout: "piped",
      stderr: "piped",
    });
    if (stdin !== undefined) {
      const writer = child.stdin.getWriter();
      await writer.write(new TextEncoder().encode(stdin));
      await writer.close();
    }
    const { success, code, stdout, stderr } = await child.output();
    return {
      success,
      code,
      stdout: new TextDecoder().decode(stdout),
      stderr: new TextDecoder().decode(stderr),
    };
  }

  /** Starts `otb up`, by another program where one is given, and waits until every plugin is ready. */
  async up(environment: Record<string, string> = {}, by: string[] = []): Promise<void> {
    const process = this.lab.spawn(this.role, [...by, `${this.root}/otb`, "up", "--state", this.state], {
      stdin: "null",
      stdout: "null",
      stderr: "piped",
      env: environment,
    });
    this.process = process;
    const said = new Response(process.stderr).text().catch(() => "");
    const ended = process.status.then(async ({ code }) => {
      throw new Error(`otb up of ${this.role} ended with ${code}: ${(await said).slice(-2_000)}`);
    });
    ended.catch(() => {});
    await Promise.race([
      ended,
      this.until(
        (status) => status.plugins.length > 0 && status.plugins.every(({ state }) => state === "ready"),
        START_MS,
      ),
    ]);
  }

  /** Stops in order; afterwards nothing of otb is left in the namespace. */
  async down(): Promise<void> {
    this.#core?.close();
    this.#core = undefined;
    if (!this.process) return;
    this.process.kill("SIGTERM");
    await this.process.status;
    this.process = undefined;
  }

  /** Forgets a process that was killed. */
  async gone(): Promise<void> {
    this.#core?.close();
    this.#core = undefined;
    await this.process?.status;
    this.process = undefined;
  }

  /** A connection to the running core, made again after a restart. */
  async core(): Promise<Core> {
    try {
      await this.#core?.status();
    } catch {
      this.#core?.close();
      this.#core = undefined;
    }
    return this.#core ??= await connect(this.state);
  }

  async status(): Promise<StatusReport> {
    return await (await this.core()).status();
  }

  /** Waits for a state of affairs; the bound is far beyond what any machine needs. */
  async until(test: (status: StatusReport) => boolean, boundMs = 120_000): Promise<StatusReport> {
    const end = performance.now() + boundMs;
    let last: unknown;
    while (performance.now() < end) {
      try {
        const status = await this.status();
        if (test(status)) return status;
        // What is looked at first comes first: a long report is cut.
        last = { links: status.links, health: status.health, plugins: status.plugins };
      } catch (error) {
        last = error;
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`${this.role} never got there: ${test}\n${Deno.inspect(last, { depth: 6 })}`);
  }
}

/** Lab, server, box and peer; `using` or `close` takes everything down. */
export class World {
  #server: Deno.ChildProcess | undefined;
  #traffic: Traffic;

  private constructor(
    readonly lab: Lab,
    readonly box: End,
    readonly cloud: End,
    private readonly folder: string,
  ) {
    this.#traffic = new Traffic(lab, SERVER_ADDRESS, folder);
  }

  /** Raises the lab and sets box and peer up; `start: false` leaves them down. */
  static async up(
    name: string,
    spec: LabSpec,
    options: {
      start?: boolean;
      /** Links are for the box to find. */
      found?: boolean;
      /** The box's state directory, where it is not to be a temporary one. */
      boxState?: string;
    } = {},
  ): Promise<World> {
    const lab = await Lab.up(name, { owner: true, ...spec });
    const folder = await Deno.makeTempDir({ prefix: "otb" });
    const world = new World(
      lab,
      new End(lab, "box", options.boxState ?? `${folder}/box`),
      new End(lab, "site1", `${folder}/cloud`),
      folder,
    );
    try {
      await world.#serve();
      await world.#setUp(options.found ? [] : spec.links, spec.lan ?? "192.168.100.1/24");
      if (options.start !== false) await Promise.all([world.cloud.up(), world.box.up()]);
    } catch (error) {
      await world.close();
      throw error;
    }
    return world;
  }

  async #serve(): Promise<void> {
    this.#server = this.lab.spawn("server", [
      Deno.execPath(),
      "run",
      "-A",
      "--quiet",
      `--config=${ROOT}/deno.json`,
      `${ROOT}/tests/lab/server.ts`,
      "--port",
      String(SERVER_PORT),
    ], { stdin: "null", stdout: "piped", stderr: "inherit" });
    // Its first line says that it listens.
    const reader = this.#server.stdout.getReader();
    await reader.read();
    reader.releaseLock();
  }

  async #setUp(links: LinkSpec[], lan: string): Promise<void> {
    const { joinCode } = await this.cloud.otb([
      "init",
      "cloud",
      "--address",
      PEER_ADDRESS,
      "--port",
      String(PEER_PORT),
    ]) as {
      joinCode: string;
    };
    await this.box.otb(["init", "box", "--join", "-"], joinCode);
    // In one change, as each is checked by every plugin's own code.
    const network = {
      lan: { interface: "lan0", address: lan },
      links: Object.fromEntries(links.map(({ name }, index) => [name, {
        interface: `wan${index + 1}`,
        address: `192.168.${11 + index}.2/24`,
        gateway: `192.168.${11 + index}.1`,
      }])),
    };
    const settings = Object.entries(network).map(([name, value]) =>
      `network.${name}=${JSON.stringify(value)}`
    );
    // Somebody on the Internet who answers, so that a peer that is gone is told from links that are silent.
    settings.push(
      `wan-discovery.resolvers=["${BYSTANDER_ADDRESS}"]`,
      `wan-discovery.portalPage=http://${BYSTANDER_ADDRESS}/`,
    );
    await this.box.otb(["config", "set", ...settings, "--yes"]);
  }

  /** A second box, in the namespace of a device behind a modem (`solo1`...), with that as its only link; it is up when this resolves. */
  async anotherBox(role: string, settings: string[] = []): Promise<End & AsyncDisposable> {
    const { joinCode } = await this.cloud.otb(["peer", "box", "add", role]) as { joinCode: string };
    const box = new End(this.lab, role, `${this.folder}/${role}`);
    await box.otb(["init", "box", "--join", "-"], joinCode);
    await box.otb(["link", "add", "only", "--interface", "eth0"]);
    if (settings.length > 0) await box.otb(["config", "set", ...settings, "--yes"]);
    await box.up();
    return Object.assign(box, { [Symbol.asyncDispose]: () => box.down() });
  }

  /** Has new TCP of the LAN use the links by this transport. */
  async over(transport: Transport): Promise<void> {
    await this.box.otb(["config", "set", `mptcp-scheduler.transport=${transport}`, "--yes"]);
    await this.box.until(({ links, plugins }) =>
      links.every(({ tier, path }) => tier === "never" || path?.state === "active") &&
      plugins.some(({ name, status }) => name === "socks-proxy" && status.transport === transport)
    );
  }

  /** Leaves one link in use, or all: the others get the tier `never`. */
  async only(link?: string): Promise<void> {
    const tiers = new Map(
      this.lab.links.map(({ name }) => [name, !link || name === link ? "primary" : "never"]),
    );
    const settings = [...tiers].map(([name, tier]) => `network.links.${name}.tier=${tier}`);
    await this.box.otb(["config", "set", ...settings, "--yes"]);
    await this.box.until(({ links }) =>
      links.every(({ name, tier, path }) =>
        tier === tiers.get(name) && (tier === "never" || path?.state === "active")
      )
    );
  }

  /** One TCP connection between the Internet server and a LAN device or a device behind one modem (`solo1`...). */
  async transfer(role: string, options: TransferOptions): Promise<Transfer> {
    const child = this.startTransfer(role, options);
    let last: Transfer | undefined;
    let text = "";
    for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
      const lines = (text + chunk).split("\n");
      text = lines.pop()!;
      for (const line of lines) {
        const said = JSON.parse(line);
        if ("tMs" in said) options.onProgress?.(said);
        else last = said;
      }
    }
    await child.status;
    if (!last) throw new Error(`the client in ${role} said nothing`);
    return last;
  }

  startTransfer(
    role: string,
    { bytes, seconds, upload, skipSeconds, connections, leave }: TransferOptions,
  ) {
    const args = ["--url", `${SERVER_ADDRESS}:${SERVER_PORT}`];
    if (bytes !== undefined) args.push("--bytes", String(bytes));
    if (seconds !== undefined) args.push("--seconds", String(seconds));
    if (skipSeconds !== undefined) args.push("--skip", String(skipSeconds));
    if (connections !== undefined) args.push("--connections", String(connections));
    if (leave) args.push("--leave");
    if (upload) args.push("--upload");
    return this.lab.spawn(role, [
      Deno.execPath(),
      "run",
      "-A",
      "--quiet",
      `--config=${ROOT}/deno.json`,
      `${ROOT}/tests/lab/client.ts`,
      ...args,
    ], { stdin: "null", stdout: "piped", stderr: "inherit" });
  }

  /** Numbered UDP datagrams at constant rates between the Internet server and a device: `Traffic.datagrams`. */
  async datagrams(role: string, options: DatagramsOptions): Promise<DatagramsReport> {
    return await this.#traffic.datagrams(role, options);
  }

  /** A download by QUIC from the Internet server: `Traffic.quic`. */
  async quic(role: string, options: QuicOptions): Promise<QuicTransfer> {
    return await this.#traffic.quic(role, options);
  }

  async close(): Promise<void> {
    await Promise.allSettled([this.box.down(), this.cloud.down()]);
    await this.#traffic.stop();
    try {
      this.#server?.kill("SIGKILL");
      await this.#server?.status;
      await this.#server?.stdout.cancel();
    } catch {
      // It never started.
    }
    await this.lab.down();
    await Deno.remove(this.folder, { recursive: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

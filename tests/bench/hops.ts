// Two encrypted hops on loopback in a namespace of their own, by three implementations: ours, shadowsocks-rust, shadowsocks-libev.
import { ROOT } from "../worlds/world.ts";

/** The implementations that are compared: all over plain TCP between the hops, ours striped and over MPTCP too; `raw` is ours unencrypted. */
export type Kind = "otb" | "otb-striped" | "otb-mptcp" | "shadowsocks-rust" | "shadowsocks-libev" | "raw";

export const SOCKS_PORT = 4001, PEER_PORT = 4002, TARGET_PORT = 4003;

/** As every Linux tells it to programs (proc_pid_stat(5), USER_HZ). */
const TICKS_A_SECOND = 100;
const KEY = btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(32))));

/** Where shadowsocks-rust lies; `./otb test` and `./otb bench` put it there. */
export function toolPath(name: string): string {
  return `${Deno.env.get("OTB_TOOLS") ?? "/var/cache/otb/tools"}/bin/${name}`;
}

/** A network namespace with loopback, taken away in the end with every process in it. */
export class Bench {
  #processes: Deno.ChildProcess[] = [];

  private constructor(readonly namespace: string, private readonly folder: string) {}

  static async up(): Promise<Bench> {
    await sweepBenches();
    const namespace = `otbbench${Deno.pid}`;
    const bench = new Bench(namespace, await Deno.makeTempDir({ prefix: "otb" }));
    await bench.#run(["ip", "netns", "add", namespace]);
    await bench.inside(["ip", "link", "set", "lo", "up"]);
    // Thousands of short connections a second must not run out of ports.
    await bench.inside([
      "sysctl",
      "-qw",
      "net.ipv4.ip_local_port_range=10000 65000",
      "net.ipv4.tcp_tw_reuse=1",
      "net.ipv4.tcp_max_tw_buckets=1000",
      "net.core.somaxconn=4096",
      "net.ipv4.tcp_rmem=4096 131072 33554432",
      "net.ipv4.tcp_wmem=4096 65536 33554432",
    ]);
    return bench;
  }

  /** Runs a command to its end in the namespace. */
  async inside(command: string[]): Promise<string> {
    return await this.#run(["ip", "netns", "exec", this.namespace, ...command]);
  }

  /** Starts a command in the namespace; it ends with `stop` or `down`. */
  start(command: string[]): Deno.ChildProcess {
    // The limit of descriptors is for 10,000 connections with two sockets each.
    const child = new Deno.Command("ip", {
      args: [
        "netns",
        "exec",
        this.namespace,
        "sh",
        "-c",
        '{ ulimit -n 200000 || :; } 2>/dev/null; exec "$@"',
        "sh",
        ...command,
      ],
      env: { BENCH_PSK: KEY },
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    this.#processes.push(child);
    return child;
  }

  /** One of our own programs, started and ready. */
  async script(name: string, ...args: (string | number)[]): Promise<Deno.ChildProcess> {
    const child = this.start([
      Deno.execPath(),
      "run",
      "-A",
      "--quiet",
      "--no-lock",
      // As every plugin has it (core/supervisor/sandbox.ts).
      ...name === "relay_node" ? ["--v8-flags=--max-semi-space-size=2"] : [],
      `--config=${ROOT}/deno.json`,
      `${ROOT}/tests/bench/${name}.ts`,
      ...args.map(String),
    ]);
    return await Promise.resolve(child);
  }

  /** Both hops of one implementation; SOCKS5 on SOCKS_PORT for all but `raw`, which leads to TARGET_PORT. */
  async hops(kind: Kind): Promise<Deno.ChildProcess[]> {
    const ours = { otb: "tcp", "otb-striped": "striped", "otb-mptcp": "mptcp" } as const;
    const started = kind in ours
      ? [
        await this.script("relay_node", "peer", PEER_PORT, ours[kind as keyof typeof ours]),
        await this.script("relay_node", "box", SOCKS_PORT, PEER_PORT, ours[kind as keyof typeof ours]),
      ]
      : kind === "raw"
      ? [
        await this.script("relay_node", "raw", PEER_PORT, TARGET_PORT),
        await this.script("relay_node", "raw", SOCKS_PORT, PEER_PORT),
      ]
      : await this.#shadowsocks(kind as "shadowsocks-rust" | "shadowsocks-libev");
    await this.#listening(SOCKS_PORT);
    await this.#listening(PEER_PORT);
    return started;
  }

  async #shadowsocks(kind: "shadowsocks-rust" | "shadowsocks-libev"): Promise<Deno.ChildProcess[]> {
    const rust = kind === "shadowsocks-rust";
    const config = {
      server: "127.0.0.1",
      server_port: PEER_PORT,
      local_address: "127.0.0.1",
      local_port: SOCKS_PORT,
      password: KEY,
      method: rust ? "2022-blake3-aes-256-gcm" : "aes-256-gcm",
      mode: "tcp_only",
      no_delay: true,
      timeout: 600,
    };
    const path = `${this.folder}/${kind}.json`;
    await Deno.writeTextFile(path, JSON.stringify(config));
    const [server, local] = rust ? [toolPath("ssserver"), toolPath("sslocal")] : ["ss-server", "ss-local"];
    return [this.start([server!, "-c", path]), this.start([local!, "-c", path])];
  }

  /** Processor seconds that processes have used (proc_pid_stat(5)). */
  async seconds(children: Deno.ChildProcess[]): Promise<number> {
    const ticks = await Promise.all(children.map(async ({ pid }) => {
      const stat = await Deno.readTextFile(`/proc/${pid}/stat`);
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      return Number(fields[11]) + Number(fields[12]);
    }));
    return ticks.reduce((sum, one) => sum + one, 0) / TICKS_A_SECOND;
  }

  /** Waits until something listens on a port. */
  async listening(port: number): Promise<void> {
    await this.#listening(port);
  }

  async #listening(port: number): Promise<void> {
    for (let attempt = 0; attempt < 500; attempt++) {
      if ((await this.inside(["ss", "-Hltn", `sport = :${port}`])).trim() !== "") return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error(`nothing listens on port ${port}`);
  }

  async stop(children: Deno.ChildProcess[]): Promise<void> {
    for (const child of children) {
      try {
        child.kill("SIGTERM");
      } catch {
        // Already gone.
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
    for (const child of children) {
      try {
        child.kill("SIGKILL");
      } catch {
        // It went in order.
      }
      await child.status;
      if (!child.stdout.locked) await child.stdout.cancel();
    }
    this.#processes = this.#processes.filter((process) => !children.includes(process));
  }

  async down(): Promise<void> {
    await this.stop([...this.#processes]);
    await this.#run(["ip", "netns", "delete", this.namespace]);
    await Deno.remove(this.folder, { recursive: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.down();
  }

  async #run([command, ...args]: string[]): Promise<string> {
    const { success, stdout, stderr } = await new Deno.Command(command!, { args, stdin: "null" }).output();
    if (!success) throw new Error(`${command} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
    return new TextDecoder().decode(stdout);
  }
}

/** Takes away what benchmarks that are gone have left, and with `own` what this one has up. */
export async function sweepBenches({ own = false } = {}): Promise<void> {
  const run = (...args: string[]) => new Deno.Command("ip", { args, stdin: "null" }).output();
  for (const name of namespaces()) {
    const pid = Number(/^otbbench(\d+)(-\w+)?$/.exec(name)?.[1] ?? NaN);
    if (Number.isNaN(pid) || (exists(`/proc/${pid}`) && !(own && pid === Deno.pid))) continue;
    const inside = new TextDecoder().decode((await run("netns", "pids", name)).stdout).split("\n").filter((
      line,
    ) => line !== "");
    for (const process of inside) {
      try {
        Deno.kill(Number(process), "SIGKILL");
      } catch {
        // It ended by itself.
      }
    }
    await run("netns", "delete", name);
  }
}

function namespaces(): string[] {
  return exists("/run/netns") ? [...Deno.readDirSync("/run/netns")].map(({ name }) => name) : [];
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

/** JSON lines of a process as they come. */
export async function* jsonLines<T>(child: Deno.ChildProcess): AsyncGenerator<T> {
  let text = "";
  for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
    const lines = (text + chunk).split("\n");
    text = lines.pop()!;
    for (const line of lines) if (line.startsWith("{")) yield JSON.parse(line);
  }
}

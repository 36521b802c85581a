// WireGuard between two roles of a lab: wireguard-go, as kernels of test machines need not have it.
import type { Lab } from "./lab.ts";

/** The port that the listening end has, and both ends' addresses inside. */
const PORT = 51820, ASKING = "10.99.0.2", LISTENING = "10.99.0.1";

/** Both ends; `using` ends them. */
export class WireGuard {
  /** The listening end's address inside. */
  readonly server = LISTENING;

  private constructor(private readonly children: Deno.ChildProcess[], private readonly folder: string) {}

  /** @param endpoint address of the listening role, as the asking one reaches it */
  static async up(lab: Lab, asking: string, listening: string, endpoint: string): Promise<WireGuard> {
    const folder = await Deno.makeTempDir({ prefix: "otb" });
    const guard = new WireGuard([], folder);
    try {
      const ends = [
        // The sockets that `wg` talks to lie in one folder for all namespaces.
        { role: asking, device: `wga${Deno.pid}`, address: ASKING },
        { role: listening, device: `wgl${Deno.pid}`, address: LISTENING },
      ] as const;
      const keys = [];
      for (const { device } of ends) {
        const secret = await output(["wg", "genkey"]);
        await Deno.writeTextFile(`${folder}/${device}`, secret, { mode: 0o600 });
        keys.push(await output(["wg", "pubkey"], secret));
      }
      for (const [index, { role, device, address }] of ends.entries()) {
        guard.children.push(lab.spawn(role, ["wireguard-go", "-f", device], {
          stdin: "null",
          stdout: "null",
          stderr: "null",
        }));
        const other = `peer ${keys[1 - index]} allowed-ips ${ends[1 - index]!.address}/32`;
        const words = index === 0
          ? `${other} endpoint ${endpoint}:${PORT} persistent-keepalive 1`
          : `listen-port ${PORT} ${other}`;
        const script = `
          for turn in $(seq 200); do
            ip link show ${device} >/dev/null 2>&1 && wg show ${device} >/dev/null 2>&1 && break
            sleep 0.05
          done
          wg set ${device} private-key ${folder}/${device} ${words}
          ip address add ${address}/24 dev ${device}
          ip link set ${device} up`;
        await output(["ip", "netns", "exec", lab.namespace(role), "sh", "-ec", script]);
      }
      return guard;
    } catch (error) {
      await guard[Symbol.asyncDispose]();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.children) {
      try {
        // In order, so that it takes its socket with it.
        child.kill("SIGTERM");
      } catch {
        // It ended by itself.
      }
      await child.status;
    }
    await Deno.remove(this.folder, { recursive: true });
  }
}

async function output([program, ...args]: string[], input = ""): Promise<string> {
  const child = new Deno.Command(program!, { args, stdin: "piped", stdout: "piped", stderr: "piped" })
    .spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input));
  await writer.close();
  const { success, stdout, stderr } = await child.output();
  if (!success) throw new Error(`${program}: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout).trim();
}

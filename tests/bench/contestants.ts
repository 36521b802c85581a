// The tunnels that `otb bench tunnel` compares, each raised on a wire and taken down again: after `up`, what the box sends to
// the Internet server goes by it.
import { PEER_ADDRESS, ROOT, SERVER_ADDRESS } from "../worlds/world.ts";
import { configureWireguard, type WireguardKeys, wireguardKeys } from "./wireguard.ts";
import { BOX_WIRE, type Wire } from "./wire.ts";

export type Kind = "otb" | "wireguard" | "glorytun" | "loop" | "forward";

/** A tunnel that stands. */
export interface Standing {
  /** Its processes at both ends. */
  pids: number[];
  stop(): Promise<void>;
}

/** Addresses inside those tunnels that are not otb's, which has its own. */
const NEAR = "10.77.0.1", FAR = "10.77.0.2";
/** Named apart, and by process: glorytun leaves a file of its device's name for all namespaces. */
const NEAR_DEVICE = `near${Deno.pid}`, FAR_DEVICE = `far${Deno.pid}`;
const UDP_PORT = 5000;

/** The program of glorytun; undefined when nobody says where it is. */
export function glorytunPath(): string | undefined {
  return Deno.env.get("OTB_GLORYTUN") || undefined;
}

/**
 * The program of wireguard-go; undefined when nobody says where it is. Debian's has no offload of UDP; the one that has:
 * `go install golang.zx2c4.com/wireguard@v0.0.0-20260522210424-ecfc5a8d5446`.
 */
export function wireguardPath(): string | undefined {
  return Deno.env.get("OTB_WIREGUARD_GO") || undefined;
}

/** Raises one; resolves once packets pass. @param rateMbps that glorytun is told its path has */
export async function raise(wire: Wire, kind: Kind, rateMbps: number): Promise<Standing> {
  if (kind !== "otb") await wire.run("box", ["ip", "address", "replace", `${BOX_WIRE}/29`, "dev", "wan1"]);
  const standing = kind === "otb"
    ? await otb(wire)
    : kind === "glorytun"
    ? await glorytun(wire, rateMbps)
    : kind === "wireguard"
    ? await wireguard(wire)
    : await plain(wire, kind);
  try {
    await passes(wire);
    return standing;
  } catch (error) {
    await standing.stop();
    throw error;
  }
}

async function otb(wire: Wire): Promise<Standing> {
  await wire.startOtb();
  const pids = [];
  for (const end of [wire.box, wire.cloud]) {
    const { plugins } = await end.until(({ plugins }) =>
      plugins.some(({ name, status }) => name === "udp-tunnel" && status.state === "up")
    );
    pids.push(plugins.find(({ name }) => name === "udp-tunnel")!.pid!);
  }
  // A box's own packets have no rule that leads them in, as those of its LAN have.
  await direct(wire, "otb0");
  return { pids, stop: () => wire.stopOtb() };
}

async function glorytun(wire: Wire, rateMbps: number): Promise<Standing> {
  const program = glorytunPath()!;
  const folder = await Deno.makeTempDir({ prefix: "otb" });
  const key = `${folder}/key`;
  await Deno.writeTextFile(key, await wire.run("box", [program, "keygen"]));
  const start = (role: string, device: string, own: string, ...more: string[]) =>
    wire.spawn(role, [
      ...[program, "bind", "dev", device, "keyfile", key, "from", "addr", own, "port", String(UDP_PORT)],
      ...more,
    ], { stdin: "null", stdout: "null", stderr: "null" });
  const remote = ["to", "addr", PEER_ADDRESS, "port", String(UDP_PORT)];
  const far = start("site1", FAR_DEVICE, PEER_ADDRESS);
  const near = start("box", NEAR_DEVICE, BOX_WIRE, ...remote);
  const standing = stopping(wire, [near, far], () => Deno.remove(folder, { recursive: true }));
  try {
    await addresses(wire);
    const rate = String(rateMbps * 1e6 / 8);
    const path = ["path", "dev", NEAR_DEVICE, "addr", BOX_WIRE, ...remote, "set", "up"];
    await retried(() => wire.run("box", [program, ...path, "rate", "fixed", "tx", rate, "rx", rate]));
    return standing;
  } catch (error) {
    await standing.stop();
    throw error;
  }
}

async function wireguard(wire: Wire): Promise<Standing> {
  const start = (role: string, device: string) =>
    wire.spawn(role, [wireguardPath()!, "-f", device], { stdin: "null", stdout: "null", stderr: "null" });
  const near = wireguardKeys(), far = wireguardKeys();
  const end = ({ secret }: WireguardKeys, { known }: WireguardKeys) => ({
    secret,
    port: UDP_PORT,
    other: known,
  });
  const standing = stopping(wire, [start("site1", FAR_DEVICE), start("box", NEAR_DEVICE)]);
  try {
    await retried(() => configureWireguard(FAR_DEVICE, end(far, near)));
    await retried(() =>
      configureWireguard(NEAR_DEVICE, { ...end(near, far), endpoint: `${PEER_ADDRESS}:${UDP_PORT}` })
    );
    await addresses(wire);
    return standing;
  } catch (error) {
    await standing.stop();
    throw error;
  }
}

async function plain(wire: Wire, kind: "loop" | "forward"): Promise<Standing> {
  const node = (role: string, ...words: string[]) =>
    wire.spawn(role, [
      ...[Deno.execPath(), "run", "-A", "--quiet", "--no-lock", `--config=${ROOT}/deno.json`],
      ...[`${ROOT}/tests/bench/loop_node.ts`, ...words],
    ], { stdin: "null", stdout: "null", stderr: "inherit" });
  const nodes = kind === "forward"
    ? [node("box", "forward", wire.namespace("box"), NEAR_DEVICE, wire.namespace("site1"), FAR_DEVICE)]
    : [
      node("box", "datagrams", NEAR_DEVICE, BOX_WIRE, PEER_ADDRESS, String(UDP_PORT)),
      node("site1", "datagrams", FAR_DEVICE, PEER_ADDRESS, BOX_WIRE, String(UDP_PORT)),
    ];
  const standing = stopping(wire, nodes);
  try {
    await addresses(wire);
    return standing;
  } catch (error) {
    await standing.stop();
    throw error;
  }
}

/** Gives both devices their addresses once they are there, and leads the server's traffic in. */
async function addresses(wire: Wire): Promise<void> {
  for (
    const [role, device, own, other] of [["box", NEAR_DEVICE, NEAR, FAR], [
      "site1",
      FAR_DEVICE,
      FAR,
      NEAR,
    ]] as const
  ) {
    await retried(() => wire.run(role, ["ip", "address", "add", own, "peer", other, "dev", device]));
    await wire.run(role, ["ip", "link", "set", device, "up"]);
  }
  await direct(wire, NEAR_DEVICE);
}

async function direct(wire: Wire, device: string): Promise<void> {
  await wire.run("box", ["ip", "route", "replace", `${SERVER_ADDRESS}/32`, "dev", device]);
}

/** Waits until an echo comes back, the bound far beyond need. */
async function passes(wire: Wire): Promise<void> {
  await retried(() => wire.run("box", ["ping", "-c", "1", "-W", "1", SERVER_ADDRESS]), 30);
}

async function retried(attempt: () => Promise<unknown>, times = 200): Promise<void> {
  for (let left = times;; left--) {
    try {
      await attempt();
      return;
    } catch (error) {
      if (left === 0) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

function stopping(wire: Wire, children: Deno.ChildProcess[], after?: () => Promise<void>): Standing {
  return {
    pids: children.map(({ pid }) => pid),
    stop: async () => {
      await wire.run("box", ["ip", "route", "flush", `${SERVER_ADDRESS}/32`]);
      // Otb gives the address itself.
      await wire.run("box", ["ip", "address", "flush", "dev", "wan1"]);
      for (const child of children) {
        try {
          child.kill("SIGKILL");
        } catch {
          // It ended by itself.
        }
        await child.status;
      }
      await after?.();
    },
  };
}

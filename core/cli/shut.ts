// What of this machine the network no longer reaches while otb runs: said before it happens, and while it is so.
import { connect, type Core, Listeners } from "../client/mod.ts";
import type { Finding } from "./finding.ts";

/** The condition of who shuts it, by its code. */
const SHUT = "firewall-closed", OPEN = "firewall-off";

/** Findings about it: by the running core, or as it would be. */
export async function shut(state: string): Promise<Finding[]> {
  const core = await connect(state).catch(() => undefined);
  try {
    if (core?.live) return await asItIs(core);
    const remains = await core?.remains() ?? [];
    return [
      ...remains.length === 0 ? [] : [
        { name: "kill-switch", state: "warning" as const, message: remains[0]!, next: "sudo otb up" },
      ],
      ...asItWillBe(new Listeners()),
    ];
  } catch {
    return [];
  } finally {
    core?.close();
  }
}

async function asItIs(core: Core): Promise<Finding[]> {
  const { health } = await core.status();
  const told = health.find(({ code }) => code === SHUT || code === OPEN);
  return [
    told
      ? { name: "reachable", state: "warning", message: told.message, next: told.next }
      : { name: "reachable", state: "ok", message: "otb shuts nothing that listens here" },
  ];
}

/** Before otb runs: everything but ssh. */
export function asItWillBe(listeners: Pick<Listeners, "read">): Finding[] {
  const found = listeners.read().filter(({ isSsh, protocol, port }) =>
    !isSsh && !(protocol === "udp" && [68, 546].includes(port))
  );
  const words = found.map(({ protocol, port, program }) =>
    `${program ?? "the kernel or a container"} (${protocol} ${port})`
  );
  const name = "reachable";
  return [
    words.length === 0
      ? { name, state: "ok", message: "nothing but ssh listens here that otb would shut" }
      : {
        name,
        state: "warning",
        message:
          `while otb runs, the network reaches of this machine what otb serves, ssh (a box: not by its links) and what you allow; no longer: ${
            words.join(", ")
          }`,
        next: `Let in what you want, and from where (lan, link, an interface): otb config set ` +
          `firewall.allow='["${found[0]!.protocol} ${found[0]!.port} from link"]'`,
      },
    ...forwards()
      ? [{
        name: "passed on",
        state: "warning" as const,
        message: "this machine passes packets on between networks (ip_forward is 1): while otb runs, from " +
          "containers and WireGuard only, and to ports that containers publish where you allow them",
        next: `An interface whose packets shall pass as before: otb config set firewall.trusted='["eth5"]'`,
      }]
      : [],
  ];
}

function forwards(): boolean {
  try {
    return Deno.readTextFileSync("/proc/sys/net/ipv4/ip_forward").trim() === "1";
  } catch {
    return false;
  }
}

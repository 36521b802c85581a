// What of this machine can no longer be reached while otb runs, for a person to see and to decide. Pure.
import type { Listener, ListensFact, Role } from "@otb/plugin";
import type { Allowed } from "./allow.ts";

/** A DHCP client's ports: what it may hear is let in everywhere. */
const CLIENT_PORTS = [68, 546];
/** TCP ports on which people come in by ssh. */
export function sshPorts(listeners: Listener[]): number[] {
  return [...new Set(listeners.flatMap(({ port, isSsh }) => isSsh ? [port] : []))].sort((a, b) => a - b);
}

/** Listeners that neither otb serves nor a person has allowed from anywhere that the role has. */
export function closed(
  role: Role,
  listeners: Listener[],
  services: ListensFact["services"],
  allowed: Allowed[],
): Listener[] {
  return listeners.filter(({ protocol, port, isSsh }) =>
    !isSsh &&
    !(protocol === "udp" && CLIENT_PORTS.includes(port)) &&
    !services.some((service) => service.protocol === protocol && service.port === port) &&
    !allowed.some(({ protocol: one, ports, from }) =>
      one === protocol && ports && holds(ports, port) && (role === "box" || from !== "lan")
    )
  );
}

/** `nginx (tcp 80, tcp 443), the kernel (udp 51820)` */
export function inWords(listeners: Listener[]): string {
  const byProgram = new Map<string, string[]>();
  for (const { program = "the kernel or a container", protocol, port } of listeners) {
    byProgram.set(program, [...byProgram.get(program) ?? [], `${protocol} ${port}`]);
  }
  return [...byProgram].map(([program, ports]) => `${program} (${ports.join(", ")})`).join(", ");
}

function holds(ports: string, port: number): boolean {
  const [low, high = low] = ports.split("-").map(Number) as [number, number?];
  return low <= port && port <= high;
}

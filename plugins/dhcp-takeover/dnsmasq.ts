// dnsmasq as a program that the core runs: with few rights, and with what it says of itself.
import type { ProgramSpec } from "@otb/plugin";

/** What root keeps for dnsmasq: its ports and sets, and to become its own user (capabilities(7)); it sheds most of it itself. */
const CAPABILITIES = ["net_admin", "net_raw", "net_bind_service", "setuid", "setgid", "chown", "kill"];

/**
 * dnsmasq with that configuration.
 *
 * @param withinMs it ends by then whatever becomes of us; Infinity: it does not
 */
export function dnsmasqProgram(config: string | undefined, withinMs = Infinity): ProgramSpec | undefined {
  if (config === undefined) return undefined;
  return {
    command: ["dnsmasq", "--conf-file=-"],
    capabilities: CAPABILITIES,
    input: config,
    ...(withinMs === Infinity ? {} : { withinSeconds: withinMs / 1000 }),
  };
}

/** Whether a line of its log says that its sockets are there. */
export function isServing(line: string): boolean {
  return /^dnsmasq-dhcp\[\d+\]: DHCP, sockets bound/.test(line);
}

/** Its last line, without its own name. */
export function reasonOf(line: string): string {
  return line.replace(/^dnsmasq(-\w+)?\[\d+\]: /, "");
}

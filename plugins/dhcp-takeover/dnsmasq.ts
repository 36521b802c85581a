// dnsmasq as a program that the core runs: with few rights, and with what it says of itself.
import type { ProgramKind } from "@otb/plugin";

export const DNSMASQ: ProgramKind = {
  command: ["dnsmasq", "--conf-file=-"],
  // Its ports and sets, and to become its own user; it sheds most of it itself.
  capabilities: ["net_admin", "net_raw", "net_bind_service", "setuid", "setgid", "chown", "kill"],
  ready: /^dnsmasq-dhcp\[\d+\]: DHCP, sockets bound/,
  prefix: /^dnsmasq(-\w+)?\[\d+\]: /,
};

// igmpproxy as a program that the core runs.
import type { ProgramKind } from "@otb/plugin";

export const IGMPPROXY: ProgramKind = {
  // One at a time may route multicast (MRT_INIT in multicast routing's ip(7)): the former is ended before.
  command: ["igmpproxy", "-n", "-d", "/dev/stdin"],
  // The kernel's multicast routes, and raw sockets.
  capabilities: ["net_admin", "net_raw"],
  provenMs: 3_000,
};

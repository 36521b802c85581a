// unbound as a program that the core runs.
import type { ProgramKind } from "@otb/plugin";

export const UNBOUND: ProgramKind = {
  // To stderr, and the configuration from a pipe: AppArmor lets it read few directories.
  command: ["unbound", "-dd", "-c", "/dev/stdin"],
  // It becomes its own user by itself.
  capabilities: ["setuid", "setgid", "kill"],
  ready: /start of service/,
  prefix: /^\[\d+\] unbound\[[\d:]+\] /,
};

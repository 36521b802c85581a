// unbound as a program that the core runs.
import type { ProgramSpec } from "@otb/plugin";

/** What root keeps for unbound, which becomes its own user by itself (capabilities(7)). */
const CAPABILITIES = ["setuid", "setgid", "kill"];

/** unbound with that configuration. */
export function unboundProgram(config: string): ProgramSpec {
  return {
    // To stderr, and the configuration from a pipe: AppArmor lets it read few directories.
    command: ["unbound", "-dd", "-c", "/dev/stdin"],
    capabilities: CAPABILITIES,
    input: config,
  };
}

/** Whether a line of its log says that it listens. */
export function isServing(line: string): boolean {
  return line.includes("start of service");
}

/** A line without time and process. */
export function reasonOf(line: string): string {
  return line.replace(/^\[\d+\] unbound\[[\d:]+\] /, "");
}

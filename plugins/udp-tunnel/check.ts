// What contradicts what in the settings, beyond their schema. Pure.
import { isRange, nearOf, overlaps, type Problem, type World } from "@otb/plugin";
import type { Config } from "./config.ts";

/** @returns problems; empty when all is well */
export function check({ pool, prefix6, allowTargets }: Config, { network, links }: World): Problem[] {
  const problems: Problem[] = [];
  const refuse = (code: string, path: string, message: string, next?: string) =>
    problems.push({ code, path, message, next });
  for (
    const [path, range] of [
      ["pool", pool],
      ["prefix6", prefix6],
      ...allowTargets.map((range) => ["allowTargets", range]),
    ] as const
  ) {
    if (range !== "" && !isRange(range!)) {
      refuse(
        "range-invalid",
        path!,
        `Cannot use a range as it must be an address with its length: current value is "${range}"`,
      );
    }
  }
  if (problems.length > 0) return problems;
  const inside = network.lan ? [network.lan.address] : [];
  if (network.role === "box") inside.push(...links.flatMap(({ observed }) => nearOf(observed)));
  const other = inside.find((range) => overlaps(range, pool));
  if (other) {
    refuse(
      "pool-overlaps",
      "pool",
      `Cannot use the pool as this machine has ${other}: current value is "${pool}"`,
      "Choose another private range, the same at the peer.",
    );
  }
  return problems;
}

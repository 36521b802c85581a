// What is known of a change before anything runs with it. Pure.
import type { Evaluation } from "../config/changes.ts";
import type { Claim } from "../net/net.ts";

/** Plugins' claims that are foreseen to be otherwise than before; one that is gone is wanted empty. */
export function otherClaims(
  before: Evaluation["foreseen"] = {},
  after: Evaluation["foreseen"] = {},
): Claim[] {
  return Object.keys(after).flatMap((owner) => {
    const [former, next] = [before, after].map((foreseen) => foreseen[owner]?.claims ?? {});
    const keys = changedNames(former!, {
      ...Object.fromEntries(Object.keys(former!).map((key) => [key, []])),
      ...next,
    });
    return keys.map((key) => ({ owner, key, resources: next![key] ?? [] }));
  });
}

/** Names in `after` whose value is not as it was. */
export function changedNames(
  before: { [name: string]: unknown },
  after: { [name: string]: unknown },
): string[] {
  return Object.keys(after).filter((name) => JSON.stringify(after[name]) !== JSON.stringify(before[name]));
}

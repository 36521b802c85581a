// Who holds a resource that several want: a person's settings before plugins, plugins before what an earlier run left. Pure.
import { OtbError } from "../contract/mod.ts";
import { describe } from "./commands.ts";
import { identity } from "./model.ts";
import type { Conflict, Owned } from "./plan.ts";

/** The owner of what a person set; what it wants displaces what plugins hold. */
export const CORE_OWNER = "core";

/** All wishes, with whose holds. */
export interface Verdict {
  /** One wish an identity, with all who want the very same. */
  held: Owned[];
  /** Wishes of equal rank that differ: the one that was there first holds. */
  conflicts: Conflict[];
  /** Wishes that give way to a higher rank's: they wait until that is given up. */
  yielding: { owned: Owned; to: string }[];
}

/**
 * Decides over wishes in the order of claiming. Owners who want the same state share it; it goes when the last gives it up. The
 * verdict does not depend on the order, but for conflicts.
 */
export function arbitrate(wishes: Owned[]): Verdict {
  const verdict: Verdict = { held: [], conflicts: [], yielding: [] };
  const byIdentity = Map.groupBy(wishes, ({ resource }) => identity(resource));
  for (const all of byIdentity.values()) {
    const highest = Math.max(...all.map(rank));
    const holder = all.find((wish) => rank(wish) === highest)!;
    const state = JSON.stringify(holder.resource);
    const others: Owned["others"] = [];
    for (const wish of all) {
      if (wish === holder) continue;
      const { owner, key, resource } = wish;
      if (JSON.stringify(resource) === state) others.push({ owner, key });
      else if (rank(wish) < highest) verdict.yielding.push({ owned: wish, to: holder.owner });
      else verdict.conflicts.push({ wanted: wish, other: holder.owner });
    }
    const { owner, key, resource } = holder;
    verdict.held.push({ owner, key, resource, ...others.length > 0 ? { others } : {} });
  }
  return verdict;
}

function rank({ owner, inherited }: Owned): number {
  return inherited ? 0 : owner === CORE_OWNER ? 2 : 1;
}

/** What whoever wants it is told. */
export function conflictError({ wanted, other }: Conflict): OtbError {
  return new OtbError(
    "claim-conflict",
    `Cannot claim ${
      describe(wanted.resource)
    } for "${wanted.owner}" as owners of a resource must want the same of it: current value is "${other}"`,
    `Change the settings of "${wanted.owner}" or of "${other}" so that both want the same, or only one of them wants it.`,
  );
}

// From tiers and verdicts to MPTCP endpoints: who may carry subflows, and who only when nothing else is left. Pure.
import type { Resource } from "@otb/plugin";
import type { UsableLink } from "./routing.ts";

/** What was decided about one link beside its settings. */
export interface Verdict {
  /** Taken out: it does not answer. */
  out: boolean;
  /** A secondary that the primaries' load has called in. */
  promoted: boolean;
  /** A new number has the kernel create its subflows anew. */
  generation: number;
}

/** One endpoint a link; the last one that is left is never taken out, for then nothing would be. */
export function endpoints(links: UsableLink[], verdict: (link: string) => Verdict): Resource[] {
  const standing = links.filter(({ link }) => !verdict(link.name).out);
  return (standing.length > 0 ? standing : links).map(({ link, slot, address }) => {
    const { promoted, generation } = verdict(link.name);
    const resting = link.tier === "backup" || link.tier === "secondary" && !promoted;
    return {
      kind: "mptcpEndpoint",
      id: slot,
      address,
      interface: link.interface,
      flags: resting ? ["subflow", "backup"] : ["subflow"],
      generation,
    };
  });
}

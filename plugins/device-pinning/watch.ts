// When the peer counts as gone and a link as dead: thresholds with memory, so that nothing flaps. Pure.
import type { Link, LinkWayFact, PathFact, PeerFact } from "../../core/plugin.ts";
import type { Way } from "./policy.ts";

/** A link must look bad this long to be dead, and good this long to be alive again, in milliseconds. */
const DEAD_AFTER_MS = 2_000, ALIVE_AFTER_MS = 5_000;
const TIERS = ["primary", "secondary", "backup", "never"];

/** Whether every peer is gone, with a wait before believing it, both ways. */
export class PeerWatch {
  #gone = false;
  #sinceMs: number | undefined;

  /** Facts that say nothing, as while their plugin starts anew, change nothing. */
  look(peers: Pick<PeerFact, "state">[], nowMs: number, waits: { goneMs: number; backMs: number }): boolean {
    const up = peers.some(({ state }) => state === "up");
    const down = peers.length > 0 && peers.every(({ state }) => state === "down");
    if (this.#gone ? !up : !down) {
      this.#sinceMs = undefined;
      return this.#gone;
    }
    this.#sinceMs ??= nowMs;
    if (nowMs - this.#sinceMs >= (this.#gone ? waits.backMs : waits.goneMs)) {
      this.#gone = !this.#gone;
      this.#sinceMs = undefined;
    }
    return this.#gone;
  }
}

/** What is known of links from outside. */
export interface LinkEvidence {
  links: Link[];
  ways: LinkWayFact[];
  paths: PathFact[];
}

/** Which links are alive. */
export class LinkWatch {
  readonly #memory = new Map<string, { alive: boolean; sinceMs: number | undefined; mark: number }>();

  /** Every link that has or had a way out, the best first; an unusable one says why. */
  look({ links, ways, paths }: LinkEvidence, nowMs: number): Way[] {
    // When no path works at all, it is the peer that does not answer, and no link's fault.
    const peerAnswers = paths.some(({ state }) => state === "active" || state === "standby");
    for (const name of this.#memory.keys()) {
      if (!links.some((link) => link.name === name)) this.#memory.delete(name);
    }
    const judged = links.flatMap((link, index): (Way & { rank: number[] })[] => {
      const way = ways.find((candidate) => candidate.link === link.name);
      const path = paths.find((candidate) => candidate.link === link.name);
      const { health } = link;
      const gone = way ? undefined : link.observed.reason ?? "it has no way out";
      const bad = gone ??
        (health?.state === "down"
          ? health.reason ?? "it is down"
          : peerAnswers && link.tier !== "never" && (path?.state === "suspect" || path?.state === "down")
          ? path.reason ?? "it stopped answering"
          : undefined);
      // The first that is heard of a link is believed at once.
      const known = this.#memory.get(link.name);
      if (!known && !way) return [];
      const memory = known ?? { alive: bad === undefined, sinceMs: undefined, mark: way!.mark };
      this.#memory.set(link.name, memory);
      if (way) memory.mark = way.mark;
      if (memory.alive === (bad === undefined)) memory.sinceMs = undefined;
      else {
        memory.sinceMs ??= nowMs;
        const wait = link.observed.state !== "up" ? 0 : memory.alive ? DEAD_AFTER_MS : ALIVE_AFTER_MS;
        if (nowMs - memory.sinceMs >= wait) {
          memory.alive = !memory.alive;
          memory.sinceMs = undefined;
        }
      }
      return [{
        link: link.name,
        interface: way?.interface ?? link.interface,
        mark: memory.mark,
        general: link.tier !== "never",
        usable: memory.alive,
        ...memory.alive ? {} : { reason: bad ?? "it came back only now" },
        rank: [TIERS.indexOf(link.tier), health?.state === "degraded" ? 1 : 0, -(link.downMbps ?? 0), index],
      }];
    });
    return judged.sort((a, b) => {
      const differing = a.rank.findIndex((value, index) => value !== b.rank[index]);
      return differing < 0 ? 0 : a.rank[differing]! - b.rank[differing]!;
    }).map(({ rank: _, ...way }) => way);
  }
}

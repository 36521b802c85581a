// When the peer counts as gone, the tunnel as down and a link as dead: thresholds with memory, so that nothing flaps. Pure.
import type { Link, LinkWayFact, PathFact, PeerFact, TunnelFact } from "@otb/plugin";
import type { Tunnel, Way } from "./rules/policy.ts";

/** A link must look bad this long to be dead, and good this long to be alive again, in milliseconds. */
const DEAD_AFTER_MS = 2_000, ALIVE_AFTER_MS = 5_000;
/**
 * Without the tunnel for this long, it is down: its plugin is started again within less. Up this long, it is back. From nothing it
 * may take a start, in milliseconds.
 */
const TUNNEL_DOWN_AFTER_MS = 4_000, TUNNEL_BACK_AFTER_MS = 2_000, TUNNEL_START_MS = 10_000;
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

/** Whether the tunnel carries, with a wait before what it takes goes elsewhere or comes back. */
export class TunnelWatch {
  #state: Tunnel["state"] = "waiting";
  /** It was said how it is, at least once. */
  #known = false;
  /** Since when it is not as `#state` says. */
  #sinceMs: number | undefined;
  /** What had been answered over links by then. */
  #answersBefore: number | undefined;

  /**
   * While no link works there is nowhere else to go: what it takes waits.
   * @param answers how often somebody on the Internet has answered over any link; undefined: nobody asks
   * @param device whether its interface is there: who died says nothing any more
   */
  look(fact: TunnelFact | undefined, device: boolean, nowMs: number, answers?: number): Tunnel {
    const up = fact?.state === "up" && device;
    this.#known ||= fact !== undefined && fact.state !== "unknown";
    if (up === (this.#state !== "down")) {
      if (up) this.#state = "up";
      this.#sinceMs = undefined;
    } else {
      if (this.#sinceMs === undefined) this.#answersBefore = undefined;
      this.#sinceMs ??= nowMs;
      this.#answersBefore = answers === undefined
        ? undefined
        : Math.min(this.#answersBefore ?? answers, answers);
      if (!up) this.#state = "waiting";
      const wait = up ? TUNNEL_BACK_AFTER_MS : this.#known ? TUNNEL_DOWN_AFTER_MS : TUNNEL_START_MS;
      // At the start nothing runs that could wait.
      const isLinks = !up && this.#known && answers !== undefined && answers === this.#answersBefore;
      if (nowMs - this.#sinceMs >= wait && !isLinks) {
        this.#state = up ? "up" : "down";
        this.#sinceMs = undefined;
      }
    }
    return {
      state: this.#state,
      mtu: fact?.mtu,
      ...this.#state === "up" ? {} : {
        reason: up
          ? "it came back only now"
          : fact?.reason ?? (fact ? "it has no session yet" : "nothing here keeps one"),
      },
    };
  }
}

/** What is known of links from outside. */
export interface LinkEvidence {
  links: Link[];
  ways: LinkWayFact[];
  paths: PathFact[];
}

/** Which links are alive. While none works all stay as they are: there is nowhere else to go. */
export class LinkWatch {
  readonly #memory = new Map<string, { alive: boolean; sinceMs: number | undefined; mark: number }>();

  /** Every link that has or had a way out, the best first; an unusable one says why. */
  look({ links, ways, paths }: LinkEvidence, nowMs: number): Way[] {
    // When no path works at all, it is the peer that does not answer, and no link's fault.
    const peerAnswers = paths.some(({ state }) => state === "active" || state === "standby");
    for (const name of this.#memory.keys()) {
      if (!links.some((link) => link.name === name)) this.#memory.delete(name);
    }
    const peerless = (link: Link) => {
      const path = paths.find((candidate) => candidate.link === link.name);
      return peerAnswers && link.tier !== "never" && (path?.state === "suspect" || path?.state === "down")
        ? path.reason ?? "it stopped answering"
        : undefined;
    };
    const badness = (link: Link) => {
      const { health, observed, name } = link;
      if (!ways.some((way) => way.link === name)) return observed.reason ?? "it has no way out";
      return health?.state === "down" ? health.reason ?? "it is down" : peerless(link);
    };
    const someWork = links.some((link) => badness(link) === undefined);
    const judged = links.flatMap((link, index): (Way & { rank: number[] })[] => {
      const way = ways.find((candidate) => candidate.link === link.name);
      const { health } = link;
      const bad = badness(link);
      // The first that is heard of a link is believed at once.
      const known = this.#memory.get(link.name);
      if (!known && !way) return [];
      const memory = known ?? { alive: bad === undefined, sinceMs: undefined, mark: way!.mark };
      this.#memory.set(link.name, memory);
      if (way) memory.mark = way.mark;
      if (memory.alive === (bad === undefined) || !someWork) memory.sinceMs = undefined;
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
        ...memory.alive
          ? bad === undefined ? {} : { reason: bad }
          : { reason: bad ?? "it came back only now" },
        rank: [TIERS.indexOf(link.tier), health?.state === "degraded" ? 1 : 0, -(link.downMbps ?? 0), index],
      }];
    });
    return judged.sort((a, b) => {
      const differing = a.rank.findIndex((value, index) => value !== b.rank[index]);
      return differing < 0 ? 0 : a.rank[differing]! - b.rank[differing]!;
    }).map(({ rank: _, ...way }) => way);
  }
}

// What `otb bench soak` does to a box and its peer, by a seed: the same seed gives the same faults in the same order. Pure.

/** One fault, with everything that chance decided about it. */
export type Fault =
  | { kind: "kill-core" }
  | { kind: "kill-plugin"; end: "box" | "peer"; plugin: string }
  | { kind: "peer-restart" }
  | { kind: "cut"; link: string; forMs: number }
  | { kind: "shape"; link: string; downMbps: number; lossPercent: number; forMs: number }
  | { kind: "modem-restart"; link: string; forMs: number }
  | { kind: "settings"; leaseSeconds: number; tier: "primary" | "backup"; link: string }
  | { kind: "disk-full"; forMs: number }
  | { kind: "tun-deleted" }
  | { kind: "nft-flushed" };

export type Kind = Fault["kind"];

/** Traffic that a fault may break, as the one process that carries it ends with it; everything else must live. */
export const MAY_BREAK: (fault: Fault) => { tcp: boolean; udp: boolean; dns: boolean } = (fault) => {
  if (fault.kind === "peer-restart") return { tcp: true, udp: true, dns: false };
  // Until the tables are back, what the proxy carries is passed on to a server that knows nothing of it, and resets it.
  if (fault.kind === "nft-flushed") return { tcp: true, udp: false, dns: false };
  if (fault.kind !== "kill-plugin") return { tcp: false, udp: false, dns: false };
  return { tcp: fault.plugin === "socks-proxy", udp: fault.plugin === "udp-tunnel", dns: false };
};

/** How often each kind comes, relative to the others. Kills are rare: a process that never gets old shows no growth. */
const WEIGHTS: { [kind in Kind]: number } = {
  "kill-core": 2,
  "kill-plugin": 10,
  "peer-restart": 1,
  "cut": 30,
  "shape": 25,
  "modem-restart": 12,
  "settings": 12,
  "disk-full": 3,
  "tun-deleted": 3,
  "nft-flushed": 3,
};

/** What may be done it to. */
export interface Targets {
  links: string[];
  /** Names of plugins at each end. */
  box: string[];
  peer: string[];
  /** Kinds that are left out. */
  without?: Kind[];
}

/** The faults of a seed, without an end; each with the pause before it, milliseconds. */
export function* faults(seed: number, targets: Targets): Generator<{ pauseMs: number; fault: Fault }> {
  const random = generator(seed);
  const pick = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)]!;
  const between = (least: number, most: number) => Math.round(least + random() * (most - least));
  const weights = Object.entries(WEIGHTS).filter(([kind]) => !targets.without?.includes(kind as Kind));
  const total = weights.reduce((sum, [, weight]) => sum + weight, 0);
  for (;;) {
    let at = random() * total;
    const kind = (weights.find(([, weight]) => (at -= weight) < 0) ?? weights[0]!)[0] as Kind;
    const link = pick(targets.links);
    const pauseMs = between(500, 3_500);
    yield { pauseMs, fault: faultOf(kind, link) };
  }

  function faultOf(kind: Kind, link: string): Fault {
    switch (kind) {
      case "kill-plugin": {
        const end = pick(["box", "box", "peer"] as const);
        return { kind, end, plugin: pick(targets[end]) };
      }
      case "cut":
        return { kind, link, forMs: between(200, 5_000) };
      case "shape":
        return {
          kind,
          link,
          downMbps: between(2, 30),
          lossPercent: pick([0, 0, 1, 3]),
          forMs: between(1_000, 6_000),
        };
      case "modem-restart":
        return { kind, link, forMs: between(1_000, 4_000) };
      case "settings":
        return {
          kind,
          link,
          leaseSeconds: between(600, 7_200),
          tier: pick(["primary", "primary", "backup"]),
        };
      case "disk-full":
        return { kind, forMs: between(3_000, 8_000) };
      default:
        return { kind };
    }
  }
}

/** Numbers from 0 to 1 by a seed (mulberry32). */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ state >>> 15, state | 1);
    mixed ^= mixed + Math.imul(mixed ^ mixed >>> 7, mixed | 61);
    return ((mixed ^ mixed >>> 14) >>> 0) / 2 ** 32;
  };
}

/** A fault in a few words. */
export function wordsOf({ kind, ...rest }: Fault): string {
  return [kind, ...Object.entries(rest).map(([name, value]) => `${name}=${value}`)].join(" ");
}

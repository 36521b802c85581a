// One DHCP client that asks one chosen server of one modem (RFC 2131 4.4) and holds an address only after ARP said that
// nobody has it (RFC 5227); where the server fell silent it keeps what it had. Pure: time and chance come from outside,
// what is to be sent is returned.
import { boundedLength, ipv4Network, ipv4Number, ipv4Text, isInside, isOddLength } from "@otb/plugin";
import { isHost } from "../frames/addresses.ts";
import type { ClientMessage, Reply } from "../frames/dhcp.ts";

/** What a modem gave, or once gave. */
export interface Grant {
  address: string;
  /** What the box has in its place, translated on the link's interface: another link was given the very same. */
  local?: string;
  /** Bounded: of the address alone where the server told what no home or operator has. */
  prefixLength: number;
  router: string;
  dns: string[];
  /** What it told then. */
  oddMask?: string;
}

/** Whom to ask and how. */
export interface Target {
  /** Own Ethernet address on that link. */
  mac: string;
  /** The chosen server; absent while the modem answers no DHCP. */
  server?: { address: string; mac: string };
  /** What to use when there is no server. */
  former?: Grant;
}

/** What to send: a message to the server (`toServer`: to its own address, else to everybody), or an ARP packet. */
export type Outgoing =
  | { kind: "dhcp"; message: ClientMessage; toServer: boolean }
  | { kind: "arp-probe"; address: string }
  | { kind: "arp-announcement"; address: string };

type Phase = "select" | "request" | "check" | "bound" | "renew" | "rebind" | "kept";

/** RFC 2131 4.1: 4 s, doubled up to 64 s, each a second more or less. */
const FIRST_RETRY_MS = 4_000, LAST_RETRY_MS = 64_000, RETRY_JITTER_MS = 1_000;
/** RFC 2131 3.1.5: after a DECLINE wait at least this long; so too after refusals in a row. */
const DECLINE_PAUSE_MS = 10_000;
/** RFC 2131 4.4.5: no renewal more often than this. */
const RENEW_LEAST_MS = 60_000;
const REQUESTS = 4;
/**
 * RFC 5227 has 3 probes within 7 s; these wires are Ethernets that answer within milliseconds, and a person waits for the
 * link. Conflicts that come later are seen as well.
 */
const ARP_PROBES = 3, ARP_PROBE_MS = 250;
/** RFC 5227 2.4 DEFEND_INTERVAL. */
const DEFEND_MS = 10_000;
/** Leases outside of this are taken as the nearest: a minute would be nothing but renewals, for ever would never be noticed. */
const LEASE_LEAST_S = 60, LEASE_MOST_S = 30 * 86_400;
/** Times to ask for another address when the offered one is in use by another link of this box. */
const ALTERNATIVES = 6;

/** The client of one modem. */
export class LeaseClient {
  #phase: Phase = "select";
  #dueMs = 0;
  #tries = 0;
  #xid = 0;
  #sinceMs = 0;
  #wanted: string | undefined;
  /** Addresses that were asked for, and not given. */
  readonly #refused = new Set<string>();
  #candidate: Grant | undefined;
  /** How long the candidate may be used; absent when no server said so. */
  #term: { renewMs: number; rebindMs: number; endMs: number } | undefined;
  #held: Grant | undefined;
  #alternatives = 0;
  #conflictMs = -Infinity;
  #isUnheard = false;

  constructor(
    private target: Target,
    /** Whether an address is in use by this box elsewhere, or must not be used. */
    private readonly isTaken: (address: string) => boolean,
    /** 0 to 1. */
    private readonly random: () => number,
    /** Whether one that is taken is so by another link alone: then this link can have it too, translated. */
    private readonly isShared: (address: string) => boolean = () => false,
  ) {
    this.#wanted = target.former?.address;
  }

  /** The address to use now; stays over a silent server. */
  get held(): Grant | undefined {
    return this.#held;
  }

  /** The address that it has or is about to have: another link must not take it meanwhile. */
  get claimed(): string | undefined {
    const grant = this.#held ?? this.#candidate;
    return grant && usedOf(grant);
  }

  /** `lease` while a server stands by it, `kept` without one. */
  get source(): "lease" | "kept" | undefined {
    if (!this.#held) return undefined;
    return this.#phase === "bound" || this.#phase === "renew" || this.#phase === "rebind" ? "lease" : "kept";
  }

  /** No address was to be had: every one offered is in use by this box, and could not be translated. */
  get clashes(): boolean {
    return this.#alternatives >= ALTERNATIVES && !this.#held;
  }

  /** Its server, which answers others, has left its questions without any answer. */
  get isUnheard(): boolean {
    return this.#isUnheard;
  }

  /** When `tick` has something to do, on the same clock. */
  get dueMs(): number {
    return this.#dueMs;
  }

  /** Takes up an address that an earlier run of this process held and the kernel still has; the server is asked for it again. */
  resume(grant: Grant): void {
    this.#held = grant;
  }

  /** Follows what is known of the modem: a server that came up or went away. */
  retarget(server: Target["server"], nowMs: number): void {
    const { address, mac } = this.target.server ?? {};
    if (address === server?.address && mac === server?.mac) return;
    this.target = { ...this.target, server };
    this.#isUnheard = false;
    if (this.source !== "lease" && this.#phase !== "check") this.#select(nowMs);
  }

  /** Does what is due; gives what is to be sent. */
  tick(nowMs: number): Outgoing[] {
    if (nowMs < this.#dueMs) return [];
    switch (this.#phase) {
      case "select":
        return this.#discover(nowMs);
      case "request":
        if (this.#tries >= REQUESTS) return this.#discover(this.#select(nowMs));
        return this.#request(nowMs);
      case "check":
        return this.#check(nowMs);
      case "bound":
      case "renew":
      case "rebind":
        return this.#renew(nowMs);
      case "kept":
        this.#dueMs = Infinity;
        return [];
    }
  }

  /** Takes a server's reply from the station that sent it. */
  reply(reply: Reply, fromMac: string, nowMs: number): Outgoing[] {
    const { server, mac } = this.target;
    // Two modems may have one address: only the station tells their replies apart.
    if (reply.xid !== this.#xid || reply.mac !== mac || fromMac !== server?.mac) return [];
    this.#isUnheard = false;
    const { address, router } = reply;
    const renewing = this.#phase === "renew" || this.#phase === "rebind";
    if (reply.type === "nak" && (this.#phase === "request" || renewing)) {
      this.#held = undefined;
      this.#wanted = undefined;
      this.#select(nowMs + DECLINE_PAUSE_MS);
      return [];
    }
    if (!address || !router || !isHost(address) || address === router) return [];
    const grant: Grant = { address, prefixLength: boundedLength(reply.prefixLength), router, dns: reply.dns };
    if (isOddLength(reply.prefixLength)) grant.oddMask = reply.mask ?? "none";
    if (reply.type === "offer" && this.#phase === "select" && reply.server === server.address) {
      return this.isTaken(address) ? this.#askForAnother(grant, nowMs) : this.#accept(grant, nowMs);
    }
    if (reply.type !== "ack" || !(renewing || this.#phase === "request")) return [];
    if (address !== this.#candidate?.address) return [];
    this.#term = term(reply, nowMs, this.random());
    this.#candidate = { ...grant, local: this.#candidate?.local };
    if (renewing) return this.#bind();
    this.#phase = "check";
    this.#tries = 0;
    return this.#check(nowMs);
  }

  /** Somebody else said by ARP that an address is theirs. */
  conflict(address: string, nowMs: number): Outgoing[] {
    if (this.#phase === "check" && address === this.#candidate?.address) return this.#decline(nowMs);
    if (address !== this.#held?.address) return [];
    if (nowMs - this.#conflictMs > DEFEND_MS) {
      this.#conflictMs = nowMs;
      return [{ kind: "arp-announcement", address }];
    }
    this.#held = undefined;
    return this.#decline(nowMs);
  }

  /** Gives the address back to the server (RFC 2131 4.4.6). */
  release(): Outgoing[] {
    const { server } = this.target;
    const address = this.#held?.address;
    if (!address || !server || this.source !== "lease") return [];
    this.#held = undefined;
    return [{
      kind: "dhcp",
      toServer: true,
      message: { ...this.#message("release", 0), clientAddress: address, server: server.address },
    }];
  }

  #select(nowMs: number): number {
    this.#phase = "select";
    this.#tries = 0;
    this.#dueMs = nowMs;
    this.#sinceMs = nowMs;
    return nowMs;
  }

  #discover(nowMs: number): Outgoing[] {
    const { server, former } = this.target;
    const last = this.#held ?? this.#candidate ?? former;
    this.#isUnheard ||= server !== undefined && this.#tries >= 2;
    if (!server && this.#held) {
      this.#phase = "kept";
      this.#dueMs = Infinity;
      return [];
    }
    // Nobody gives an address, yet the modem is there: the one it gave before, where it is free.
    if ((!server || this.#tries >= 2) && last && !this.#held) return this.#keep(last, nowMs);
    if (!server) {
      this.#dueMs = Infinity;
      return [];
    }
    if (this.#tries === 0) this.#newXid();
    this.#dueMs = nowMs + this.#retryMs();
    return [{
      kind: "dhcp",
      toServer: false,
      message: { ...this.#message("discover", nowMs), requestedAddress: this.#wanted ?? last?.address },
    }];
  }

  #request(nowMs: number): Outgoing[] {
    this.#dueMs = nowMs + this.#retryMs();
    return [{
      kind: "dhcp",
      toServer: false,
      message: {
        ...this.#message("request", nowMs),
        requestedAddress: this.#candidate!.address,
        server: this.target.server!.address,
      },
    }];
  }

  #check(nowMs: number): Outgoing[] {
    if (this.#tries++ >= ARP_PROBES) return this.#bind();
    this.#dueMs = nowMs + ARP_PROBE_MS;
    return [{ kind: "arp-probe", address: this.#candidate!.address }];
  }

  #bind(): Outgoing[] {
    const fresh = this.#held?.address !== this.#candidate!.address;
    this.#held = this.#candidate;
    this.#wanted = undefined;
    this.#refused.clear();
    this.#alternatives = 0;
    this.#phase = this.#term ? "bound" : "kept";
    this.#dueMs = this.#term?.renewMs ?? Infinity;
    return fresh ? [{ kind: "arp-announcement", address: this.#held!.address }] : [];
  }

  #renew(nowMs: number): Outgoing[] {
    const { renewMs: _, rebindMs, endMs } = this.#term!;
    if (nowMs >= endMs || !this.target.server) {
      // The lease is over, and with a modem whose server was switched off that is no reason to lose the link.
      this.#term = undefined;
      return this.#discover(this.#select(nowMs));
    }
    if (this.#phase === "bound") {
      this.#newXid();
      this.#sinceMs = nowMs;
    }
    this.#phase = nowMs >= rebindMs ? "rebind" : "renew";
    const limit = this.#phase === "rebind" ? endMs : rebindMs;
    this.#dueMs = Math.min(limit, nowMs + Math.max(RENEW_LEAST_MS, (limit - nowMs) / 2));
    return [{
      kind: "dhcp",
      toServer: this.#phase === "renew",
      message: { ...this.#message("request", nowMs), clientAddress: this.#held!.address },
    }];
  }

  #accept(offer: Grant, nowMs: number): Outgoing[] {
    this.#candidate = offer;
    this.#phase = "request";
    this.#tries = 0;
    return this.#request(nowMs);
  }

  /** Takes an address without a lease, after the same check. */
  #keep(last: Grant, nowMs: number): Outgoing[] {
    const isUsable = last.local !== undefined && !this.isTaken(last.local);
    const address = !isUsable && this.isTaken(last.address)
      ? alternative(last, this.isTaken, this.random())
      : last.address;
    if (!address) {
      this.#dueMs = nowMs + LAST_RETRY_MS;
      return [];
    }
    this.#candidate = { ...last, address, local: isUsable ? last.local : undefined };
    this.#term = undefined;
    this.#phase = "check";
    this.#tries = 0;
    return this.#check(nowMs);
  }

  #decline(nowMs: number): Outgoing[] {
    const lost = this.#candidate!;
    const given = this.#term !== undefined;
    this.#term = undefined;
    this.#wanted = undefined;
    this.#select(nowMs + DECLINE_PAUSE_MS);
    const { server } = this.target;
    if (!given || !server) {
      const address = alternative(lost, (one) => one === lost.address || this.isTaken(one), this.random());
      this.#candidate = address ? { ...lost, address } : undefined;
      this.target = { ...this.target, former: this.#candidate };
      return [];
    }
    this.#candidate = undefined;
    this.target = { ...this.target, former: undefined };
    return [{
      kind: "dhcp",
      toServer: false,
      message: {
        ...this.#message("decline", 0),
        requestedAddress: lost.address,
        server: server.address,
      },
    }];
  }

  /** The offered address is in use by another link: asks for a neighbouring one, as often as is decent. */
  #askForAnother(offer: Grant, nowMs: number): Outgoing[] {
    this.#alternatives++;
    if (this.#wanted) this.#refused.add(this.#wanted);
    this.#wanted = nearest(offer, (one) => this.#refused.has(one) || this.isTaken(one));
    if (!this.#wanted || this.#alternatives >= ALTERNATIVES) {
      const local = this.isShared(offer.address)
        ? alternative(offer, this.isTaken, this.random())
        : undefined;
      if (local) return this.#accept({ ...offer, local }, nowMs);
      this.#alternatives = ALTERNATIVES;
      // What was refused now may be free by then.
      this.#refused.clear();
      this.#select(nowMs + LAST_RETRY_MS);
      return [];
    }
    return this.#discover(this.#select(nowMs));
  }

  #message(type: ClientMessage["type"], nowMs: number): ClientMessage {
    const secs = nowMs > 0 ? Math.max(0, Math.floor((nowMs - this.#sinceMs) / 1000)) : 0;
    return { type, xid: this.#xid, secs, mac: this.target.mac, broadcast: false };
  }

  #newXid(): void {
    this.#xid = Math.floor(this.random() * 2 ** 32);
  }

  #retryMs(): number {
    const base = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** this.#tries++);
    return base + (2 * this.random() - 1) * RETRY_JITTER_MS;
  }
}

/** The address that the box itself uses. */
export function usedOf({ address, local }: Grant): string {
  return local ?? address;
}

/** T1, T2 and the end (RFC 2131 4.4.5), a little early by chance so that boxes do not renew in step. */
function term(reply: Reply, nowMs: number, chance: number) {
  const seconds = Math.min(LEASE_MOST_S, Math.max(LEASE_LEAST_S, reply.leaseSeconds ?? LEASE_LEAST_S));
  const { renewSeconds = 0, rebindSeconds = 0 } = reply;
  const sane = renewSeconds >= LEASE_LEAST_S / 2 && renewSeconds < rebindSeconds && rebindSeconds < seconds;
  const [renew, rebind] = sane ? [renewSeconds, rebindSeconds] : [seconds / 2, seconds * 0.875];
  const early = 1 - 0.05 * chance;
  return {
    renewMs: nowMs + renew * early * 1000,
    rebindMs: nowMs + rebind * 1000,
    endMs: nowMs + seconds * 1000,
  };
}

/** Another address of the same subnet that is not taken, from a place by chance on; undefined when few were tried in vain. */
export function alternative(
  { address, prefixLength, router }: Grant,
  isTaken: (address: string) => boolean,
  chance: number,
): string | undefined {
  const { first, last } = ipv4Network(`${address}/${prefixLength}`)!;
  const [low, high] = prefixLength >= 31 ? [first, last] : [first + 1, last - 1];
  const size = high - low + 1;
  // Close to the address that was given, where the modem's pool is, and far enough not to meet its next guest.
  const start = ipv4Number(address) - low + Math.floor(chance * Math.min(size, 32)) + 1;
  for (let step = 0; step < Math.min(size, 64); step++) {
    const candidate = ipv4Text(low + (start + step) % size);
    if (candidate !== router && candidate !== address && isInside(candidate, `${address}/${prefixLength}`)) {
      if (!isTaken(candidate)) return candidate;
    }
  }
  return undefined;
}

/** The free address of the same subnet that is nearest to the one that was given: the modem's pool may be small. */
export function nearest(
  { address, prefixLength, router }: Grant,
  isTaken: (address: string) => boolean,
): string | undefined {
  const { first, last } = ipv4Network(`${address}/${prefixLength}`)!;
  const own = ipv4Number(address);
  for (let distance = 1; distance <= 64; distance++) {
    for (const value of [own + distance, own - distance]) {
      const candidate = ipv4Text(value);
      if (value > first && value < last && candidate !== router && !isTaken(candidate)) return candidate;
    }
  }
  return undefined;
}

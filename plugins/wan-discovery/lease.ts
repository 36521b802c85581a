// The life of one DHCP lease from one chosen server (RFC 2131 section 4.4). Pure: time and messages in, messages out.
import { type Message, UNSPECIFIED } from "./dhcp.ts";

/** First and last wait between repetitions (section 4.1), in milliseconds; each is blurred by up to a second. */
const REPEAT_FIRST_MS = 4_000, REPEAT_LAST_MS = 64_000, BLUR_MS = 1_000;
/** Repetitions without an answer before the remembered address is given up, and before the search is called vain. */
const REBOOT_TRIES = 2, SELECT_TRIES = 4;
/** Between repetitions while renewing, at least (section 4.4.5). */
const RENEW_REPEAT_MS = 60_000;
const MIN_LEASE_SECONDS = 60, MAX_LEASE_SECONDS = 7 * 86_400;

/** An address as a server gave it. */
export interface Lease {
  address: string;
  prefixLength: number;
  gateway: string;
  dns: string[];
  /** Milliseconds of the caller's clock. */
  renewAtMs: number;
  rebindAtMs: number;
  expiresAtMs: number;
}

/** Who asks whom. */
export interface LeaseOptions {
  clientMac: string;
  clientId: Uint8Array<ArrayBuffer>;
  hostName: string;
  /** Option 54 of the server that is asked; others are not listened to. */
  server: string;
  /** An address from earlier, asked for first. */
  remembered?: string;
  /** From 0 to 1, exclusive. */
  random(): number;
}

/** A message to send: to everybody, or to the server alone. */
export interface Outgoing {
  message: Message;
  unicast: boolean;
}

export type LeaseState =
  | "rebooting"
  | "selecting"
  | "requesting"
  | "bound"
  | "renewing"
  | "rebinding"
  | "vain";

/** A client for one address. */
export class LeaseClient {
  #state: LeaseState;
  #xid: number;
  #nextMs: number;
  #repeatMs = REPEAT_FIRST_MS;
  #tries = 0;
  #offered: string | undefined;
  #lease: Lease | undefined;
  #requestedMs = 0;

  constructor(private readonly options: LeaseOptions, nowMs: number) {
    this.#state = options.remembered ? "rebooting" : "selecting";
    this.#xid = this.#fresh();
    this.#nextMs = nowMs;
  }

  get state(): LeaseState {
    return this.#state;
  }

  /** Its server was asked more than once and said nothing. */
  get unanswered(): boolean {
    return this.#state === "vain" || this.#state === "rebinding" || this.#tries > 1 ||
      this.#state === "selecting" && this.options.remembered !== undefined && this.#tries > 0;
  }

  /** The lease while it holds. */
  get lease(): Lease | undefined {
    return this.#lease;
  }

  /** When `tick` has something to do, in the caller's clock. */
  get nextMs(): number {
    return this.#nextMs;
  }

  /** What is to be sent now. */
  tick(nowMs: number): Outgoing | undefined {
    if (nowMs < this.#nextMs) return undefined;
    switch (this.#state) {
      case "vain":
        return this.#restart(nowMs);
      case "rebooting":
        if (this.#tries >= REBOOT_TRIES) return this.#restart(nowMs);
        return this.#repeat(nowMs, this.#request({ requestedAddress: this.options.remembered }));
      case "selecting":
        if (this.#tries >= SELECT_TRIES) {
          this.#state = "vain";
          this.#nextMs = nowMs + REPEAT_LAST_MS;
          return undefined;
        }
        return this.#repeat(nowMs, this.#message("discover"));
      case "requesting":
        if (this.#tries >= SELECT_TRIES) return this.#restart(nowMs);
        return this.#repeat(
          nowMs,
          this.#request({ requestedAddress: this.#offered, serverId: this.options.server }),
        );
      default:
        return this.#keep(nowMs);
    }
  }

  /** Takes a server's message; answers what to send at once. */
  take(message: Message, nowMs: number): Outgoing | undefined {
    const { server, clientMac } = this.options;
    if (message.from !== "server" || message.xid !== this.#xid || message.clientMac !== clientMac) return;
    if (message.serverId !== server) return;
    if (message.type === "offer" && this.#state === "selecting" && usable(message.yourAddress)) {
      this.#offered = message.yourAddress;
      this.#enter("requesting", nowMs);
      return this.tick(nowMs);
    }
    const asked = this.#state !== "selecting" && this.#state !== "vain" && this.#state !== "bound";
    if (message.type === "nak" && asked) {
      this.#lease = undefined;
      return this.#restart(nowMs);
    }
    if (message.type === "ack" && asked) {
      const lease = leaseOf(message, this.#requestedMs);
      if (!lease) return;
      this.#lease = lease;
      this.#state = "bound";
      this.#tries = 0;
      this.#nextMs = lease.renewAtMs;
    }
  }

  /** Somebody else has the address: the server is told, and after a rest another one is asked for (section 3.1, 5). */
  decline(nowMs: number): Outgoing | undefined {
    if (!this.#lease) return undefined;
    const message = this.#message("decline", {
      requestedAddress: this.#lease.address,
      serverId: this.options.server,
    });
    this.#lease = undefined;
    this.#enter("selecting", nowMs + 10_000);
    return message;
  }

  /** Gives the address back. */
  release(): Outgoing | undefined {
    if (!this.#lease) return undefined;
    const { address } = this.#lease;
    return {
      ...this.#message("release", { clientAddress: address, serverId: this.options.server }),
      unicast: true,
    };
  }

  #keep(nowMs: number): Outgoing | undefined {
    const lease = this.#lease!;
    if (nowMs >= lease.expiresAtMs) {
      this.#lease = undefined;
      return this.#restart(nowMs);
    }
    const rebinding = nowMs >= lease.rebindAtMs;
    const state = rebinding ? "rebinding" : "renewing";
    if (this.#state !== state) {
      this.#state = state;
      this.#xid = this.#fresh();
    }
    const until = rebinding ? lease.expiresAtMs : lease.rebindAtMs;
    // Half of what is left, but not less than a minute (section 4.4.5).
    this.#nextMs = Math.min(until, nowMs + Math.max(RENEW_REPEAT_MS, (until - nowMs) / 2));
    this.#requestedMs = nowMs;
    const request = this.#request({ clientAddress: lease.address });
    return { ...request, unicast: !rebinding };
  }

  #restart(nowMs: number): Outgoing | undefined {
    this.#enter("selecting", nowMs);
    return this.tick(nowMs);
  }

  #enter(state: LeaseState, nowMs: number): void {
    this.#state = state;
    this.#tries = 0;
    this.#repeatMs = REPEAT_FIRST_MS;
    this.#nextMs = nowMs;
    // Offer and request are one exchange (section 4.4.1).
    if (state !== "requesting") this.#xid = this.#fresh();
  }

  #repeat(nowMs: number, outgoing: Outgoing): Outgoing {
    this.#tries++;
    this.#requestedMs = nowMs;
    this.#nextMs = nowMs + this.#repeatMs + (this.options.random() * 2 - 1) * BLUR_MS;
    this.#repeatMs = Math.min(REPEAT_LAST_MS, this.#repeatMs * 2);
    return outgoing;
  }

  #request(parts: Partial<Message>): Outgoing {
    return this.#message("request", parts);
  }

  #message(type: Message["type"], parts: Partial<Message> = {}): Outgoing {
    const { clientMac, clientId, hostName } = this.options;
    const asks = type === "discover" || type === "request";
    return {
      unicast: false,
      message: {
        from: "client",
        type,
        xid: this.#xid,
        // Before it has its address no answer to it alone would be taken by every kernel on the way.
        broadcast: asks && !parts.clientAddress,
        clientMac,
        clientId,
        hostName: asks ? hostName : undefined,
        ...parts,
      },
    };
  }

  #fresh(): number {
    return Math.floor(this.options.random() * 0x1_0000_0000);
  }
}

/** What an acknowledgement gives; undefined when it can't be lived with: no address, no router. */
export function leaseOf(message: Message, requestedMs: number): Lease | undefined {
  const { yourAddress, subnetMask, routers, dns, leaseSeconds, renewSeconds, rebindSeconds } = message;
  const gateway = routers?.find(usable);
  if (!usable(yourAddress) || !gateway || gateway === yourAddress) return undefined;
  const seconds = Math.min(MAX_LEASE_SECONDS, Math.max(MIN_LEASE_SECONDS, leaseSeconds ?? 3600));
  const within = (value: number | undefined, low: number, high: number, usual: number) =>
    value !== undefined && value >= low && value < high ? value : usual;
  const rebind = within(rebindSeconds, 1, seconds, seconds * 0.875);
  const renew = within(renewSeconds, 1, rebind, Math.min(rebind, seconds / 2));
  return {
    address: yourAddress!,
    prefixLength: prefixOf(subnetMask) ?? 24,
    gateway,
    dns: (dns ?? []).filter(usable),
    renewAtMs: requestedMs + renew * 1000,
    rebindAtMs: requestedMs + rebind * 1000,
    expiresAtMs: requestedMs + seconds * 1000,
  };
}

/** Whether an address can be somebody's: not this network, loopback, link-local, multicast or reserved (RFC 6890). */
export function usable(address: string | undefined): boolean {
  if (!address || address === UNSPECIFIED) return false;
  const [a = 0, b = 0] = address.split(".").map(Number);
  return a !== 0 && a !== 127 && a < 224 && !(a === 169 && b === 254);
}

/** Length of a mask of ones and then zeros; undefined for any other. */
export function prefixOf(mask: string | undefined): number | undefined {
  if (!mask) return undefined;
  const bits = mask.split(".").map((part) => Number(part).toString(2).padStart(8, "0")).join("");
  return /^1*0*$/.test(bits) ? bits.indexOf("0") < 0 ? 32 : bits.indexOf("0") : undefined;
}

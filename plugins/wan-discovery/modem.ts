// One modem on one segment: our address there, by its DHCP server while it serves, by ARP when that is switched off.
import type { Clock } from "../../core/plugin.ts";
import type { Message } from "./dhcp.ts";
import { type Lease, LeaseClient } from "./lease.ts";
import type { Heard, Segment } from "./segment.ts";

/** How often an address without a server is looked after, and after how many silent looks the modem counts as gone. */
const LOOK_MS = 15_000, MISSED_LOOKS = 3;

/** What is remembered of a modem between starts, and while its server is silent. */
export interface Remembered {
  /** MAC address of the station that served; a link keeps its name by it. */
  mac: string;
  server: string;
  address: string;
  prefixLength: number;
  gateway: string;
}

/** Where the address of a modem's link comes from. */
export type Source = "lease" | "kept";

/** A modem that is there, and the address we have behind it. */
export interface Attachment extends Remembered {
  interface: string;
  source: Source;
}

/** Follows one modem; `onChange` tells when its attachment did. */
export class Modem {
  #client: LeaseClient;
  #attachment: Attachment | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #missed = 0;
  #checking = false;
  #closed = false;

  constructor(
    private readonly segment: Segment,
    readonly mac: string,
    readonly server: string,
    private readonly clock: Clock,
    private remembered: Remembered | undefined,
    private readonly onChange: () => void,
  ) {
    this.#client = new LeaseClient({
      clientMac: segment.mac,
      // By modem: two servers on one segment must not take one answer for the other's (RFC 4361 is for hosts with one).
      clientId: new TextEncoder().encode(`otb-${mac}`),
      hostName: "otb",
      server,
      remembered: remembered?.address,
      random: Math.random,
    }, clock.monotonicMs());
    this.#tick();
  }

  get attachment(): Attachment | undefined {
    return this.#attachment;
  }

  /** A message on its segment, perhaps for it. */
  hear({ message, stationMac }: Heard): void {
    if (stationMac !== this.mac) return;
    const before = this.#client.lease;
    const answer = this.#client.take(message, this.clock.monotonicMs());
    if (answer) this.#send(answer.message, answer.unicast);
    const { lease } = this.#client;
    if (lease && lease !== before) void this.#bound(lease, lease.address !== before?.address);
    else if (before && !lease) this.#attach(undefined);
    this.#arm();
  }

  /** Gives the address back in order. */
  close(): void {
    const release = this.#client.release();
    if (release) this.#send(release.message, release.unicast);
    this.abandon();
  }

  /** Ends without a word: the modem is gone, or the plugin will come back. */
  abandon(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  async #bound(lease: Lease, isNew: boolean): Promise<void> {
    // RFC 2131 section 2.2: a client should look whether somebody else has what it was given.
    if (isNew && (await this.segment.whoHas(lease.address)).length > 0) {
      const decline = this.#client.decline(this.clock.monotonicMs());
      if (decline) this.#send(decline.message, false);
      return this.#arm();
    }
    if (this.#closed || this.#client.lease !== lease) return;
    const { address, prefixLength, gateway } = lease;
    this.remembered = { mac: this.mac, server: this.server, address, prefixLength, gateway };
    this.#attach({ ...this.remembered, interface: this.segment.name, source: "lease" });
  }

  #tick(): void {
    const nowMs = this.clock.monotonicMs();
    const before = this.#client.lease;
    const outgoing = this.#client.tick(nowMs);
    if (outgoing) this.#send(outgoing.message, outgoing.unicast);
    if (before && !this.#client.lease) this.#attach(undefined);
    // Its server says nothing: perhaps somebody switched it off on purpose, and the modem is still a way out.
    if (this.remembered && (this.#client.unanswered || this.#attachment?.source === "kept")) {
      void this.#look();
    }
    this.#arm();
  }

  /** Whether the modem still answers for its address, and nobody for ours. */
  async #look(): Promise<void> {
    if (this.#checking || !this.remembered) return;
    this.#checking = true;
    try {
      const { address, gateway } = this.remembered;
      const own = this.#attachment?.address === address;
      const there = (await this.segment.whoHas(gateway, own ? address : undefined)).includes(this.mac);
      const taken = there && !own && (await this.segment.whoHas(address)).length > 0;
      if (this.#closed || this.#client.lease && this.#client.state === "bound") return;
      this.#missed = there && !taken ? 0 : this.#missed + 1;
      if (this.#missed === 0) {
        this.#attach({ ...this.remembered, interface: this.segment.name, source: "kept" });
      } else if (this.#missed >= MISSED_LOOKS) this.#attach(undefined);
    } finally {
      this.#checking = false;
    }
  }

  #attach(attachment: Attachment | undefined): void {
    if (JSON.stringify(attachment) === JSON.stringify(this.#attachment)) return;
    this.#attachment = attachment;
    this.onChange();
  }

  #arm(): void {
    if (this.#closed) return;
    clearTimeout(this.#timer);
    const waitMs = this.#client.nextMs - this.clock.monotonicMs();
    const watched = this.#client.state !== "bound" && this.remembered !== undefined;
    this.#timer = setTimeout(
      () => this.#tick(),
      Math.max(0, Math.min(waitMs, watched ? LOOK_MS : 3_600_000)),
    );
  }

  #send(message: Message, unicast: boolean): void {
    const from = message.clientAddress;
    this.segment.send(message, unicast && from ? { mac: this.mac, address: this.server, from } : undefined);
  }
}

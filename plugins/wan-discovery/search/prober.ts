// The questions put to one interface's segment in rounds, none of which can be answered with a lease. Pure: time and chance
// come from outside, frames to send are returned.
import { ANY, BROADCAST, BROADCAST_MAC, type Bytes } from "../frames/addresses.ts";
import { CLIENT_PORT, type ClientMessage, encode, type Reply, SERVER_PORT } from "../frames/dhcp.ts";
import { routerSolicitation, udpFrame } from "../frames/frames.ts";

/** Answers are collected this long; a second question after the first second makes up for lost frames. */
export const COLLECT_MS = 3_000, ASK_AGAIN_MS = 1_000;
/** A new port is asked again this soon: what is behind it may still be starting. */
const EARLY_ROUNDS_MS = [4_000, 12_000, 30_000];
/** For documentation only (RFC 5737): a client that says it has it makes servers refuse, and none can grant it. */
const FOREIGN_ADDRESS = "192.0.2.1";

/** What asks need to know of their interface. */
export interface Asked {
  /** The interface's own Ethernet address. */
  mac: string;
  /** The LAN is behind it. */
  onLan: boolean;
}

/** The rounds of one interface. */
export class Prober {
  #round = -1;
  #roundMs = -Infinity;
  #againMs = Infinity;
  #nextMs = Infinity;
  #discover = 0;
  #reboot = 0;
  #answered = false;

  constructor(
    private asked: Asked,
    /**
     * An Ethernet address that nobody has: a stranger to every server. Kept as long as the process lives, since every
     * offer holds an address back for a while, and a new stranger each round would drain a small pool.
     */
    private readonly stranger: string,
    /** A random number of 32 bits. */
    private readonly random: () => number,
  ) {}

  /** Starts anew with the next tick: somebody plugged something in. */
  restart(asked: Asked, nowMs: number): void {
    this.asked = asked;
    this.#round = -1;
    this.#nextMs = nowMs;
  }

  /** Asks with the next tick, whenever the next round would be. */
  hurry(nowMs: number): void {
    this.#nextMs = nowMs;
  }

  /** When the last round began. */
  get roundMs(): number {
    return this.#roundMs;
  }

  /** Whether answers to the round are still awaited. */
  isCollecting(nowMs: number): boolean {
    return nowMs - this.#roundMs < COLLECT_MS;
  }

  /** The frames that are due; a round at least each `everyMs`. */
  tick(nowMs: number, everyMs: number): Bytes[] {
    if (nowMs >= this.#nextMs) {
      this.#discover = this.random();
      this.#reboot = this.random();
      this.#answered = false;
      this.#roundMs = nowMs;
      this.#againMs = nowMs + ASK_AGAIN_MS;
      const waitMs = EARLY_ROUNDS_MS[++this.#round] ?? everyMs;
      this.#nextMs = nowMs + Math.min(waitMs, everyMs) * (0.9 + 0.2 * this.random() / 2 ** 32);
      return [this.#frame(this.#offerQuestion(0)), routerSolicitation(this.asked.mac)];
    }
    if (nowMs < this.#againMs) return [];
    this.#againMs = Infinity;
    const questions = [this.#frame(this.#offerQuestion(1))];
    if (!this.#answered) questions.push(this.#frame(this.#foreignQuestion()));
    return questions;
  }

  /** Whether a reply answers a question of the last round. */
  isAnswer({ xid, mac }: Reply): boolean {
    const answers = this.#round >= 0 &&
      (xid === this.#discover && mac === this.#asker || xid === this.#reboot && mac === this.stranger);
    this.#answered ||= answers;
    return answers;
  }

  /**
   * On the LAN a stranger, so that a server tells what any device would get. On a port the interface itself, whose address
   * the link's client uses as well: a modem with a single address to give must not keep it for somebody made up.
   */
  get #asker(): string {
    return this.asked.onLan ? this.stranger : this.asked.mac;
  }

  /** Who offers an address? Nobody is taken at their word with a request. */
  #offerQuestion(secs: number): ClientMessage {
    return { type: "discover", xid: this.#discover, secs, mac: this.#asker, broadcast: true };
  }

  /**
   * A client that comes back with an address of elsewhere (INIT-REBOOT, RFC 2131 4.3.2): a server that leaves strangers
   * without an offer may refuse this. Never in the interface's own name: some servers then end the lease that it has.
   */
  #foreignQuestion(): ClientMessage {
    const { stranger: mac } = this;
    return {
      type: "request",
      xid: this.#reboot,
      secs: 1,
      mac,
      broadcast: true,
      requestedAddress: FOREIGN_ADDRESS,
    };
  }

  #frame(message: ClientMessage): Bytes {
    return udpFrame({
      ...{ fromMac: message.mac, toMac: BROADCAST_MAC, from: ANY, to: BROADCAST },
      ...{ fromPort: CLIENT_PORT, toPort: SERVER_PORT, payload: encode(message) },
    });
  }
}

// Waits for the first bytes of connections whose way depends on the server's name, then sends each over the bond, straight
// out by one link, or away.
import { ADDRESS_BYTES, decodeAddress, Errno, type Native, PollEvents } from "../../../core/native/ffi.ts";
import { candidates, type DomainRule, ruleFor } from "./domain_rules.ts";
import type { Reactor } from "../relay/reactor.ts";
import { refuse } from "../relay/refusal.ts";
import { type Codec, type Counters, type Registered, Relay, scratch } from "../relay/relay.ts";
import { serverName } from "../wire/server_name.ts";
import type { Outbound } from "./outbound.ts";
import { patience } from "../relay/vanished.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Who says nothing for so long waits for the server to speak first. */
const PATIENCE_MS = 200;
/** As long as a ClientHello with every extension may be. */
const MOST_BYTES = 8_192;
/** Beyond these at once the oldest waits no longer: a flood must neither fill the memory nor switch the rules off. */
const MOST_WAITING = 1_024;
/** A server that does not answer within this time is given up, as any client would. */
const CONNECT_MS = 10_000;

/** Bytes as they are. */
const PLAIN: Omit<Codec, "free"> = { raw: true, seal: (_, length) => length, open: (_, length) => length };

/** What the sniffer knows of the box around it. */
export interface SnifferSettings {
  native: Native;
  reactor: Reactor;
  outbound: Pick<Outbound, "open">;
  counters: Counters;
  rules(): readonly DomainRule[];
  /** The MAC address of who has an address (a record) on the LAN. */
  deviceOf(address: Bytes): string | undefined;
  /** A rule decided one more connection. */
  onHit(rule: string): void;
}

/** An intercepted connection. */
interface Intercepted {
  plain: Registered;
  /** Address record of where it wants to go. */
  wanted: Bytes;
  /** The same as a request to the peer has it. */
  target: Bytes;
}

/** Looks into connections that domain rules may concern; others pass at once. */
export class Sniffer {
  /** Sends each on its way as it is, oldest first. */
  readonly #waiting = new Set<() => void>();

  constructor(private readonly settings: SnifferSettings) {}

  /** Takes a connection from an address record of the LAN; owns its descriptor from now on. */
  take(intercepted: Intercepted, from: Bytes): void {
    const { rules, deviceOf, outbound } = this.settings;
    const all = rules();
    const fitting = all.length === 0 ? [] : candidates(all, {
      device: all.some(({ devices }) => devices) ? deviceOf(from) : undefined,
      port: decodeAddress(intercepted.wanted).port,
    });
    if (fitting.length === 0) outbound.open(intercepted.plain, intercepted.target);
    else this.#listen({ ...intercepted, wanted: intercepted.wanted.slice(0, ADDRESS_BYTES) }, fitting);
  }

  #listen(intercepted: Intercepted, rules: DomainRule[]): void {
    const { native, reactor } = this.settings;
    const { plain } = intercepted;
    let heard: Bytes = new Uint8Array(0);
    const end = () => {
      clearTimeout(timer);
      this.#waiting.delete(decide);
    };
    const decide = (rule?: DomainRule) => {
      end();
      this.#send(intercepted, heard, rule);
    };
    const timer = setTimeout(decide, PATIENCE_MS);
    if (this.#waiting.size >= MOST_WAITING) this.#waiting.values().next().value!();
    this.#waiting.add(decide);
    reactor.handle(plain.tag, () => {
      const length = native.read(plain.fd, scratch.input, 0, MOST_BYTES - heard.length);
      if (length === -Errno.EAGAIN || length === -Errno.EINTR) return;
      if (length <= 0) {
        end();
        return this.#drop(plain);
      }
      const joined = new Uint8Array(heard.length + length);
      joined.set(heard);
      joined.set(scratch.input.subarray(0, length), heard.length);
      heard = joined;
      const said = serverName(heard);
      if (typeof said === "object") decide(ruleFor(rules, said.name));
      else if (said === "none" || heard.length === MOST_BYTES) decide();
    });
  }

  #send({ plain, wanted, target }: Intercepted, heard: Bytes, rule: DomainRule | undefined): void {
    if (rule) this.settings.onHit(rule.rule);
    if (rule?.way === "block") this.#drop(plain);
    else if (rule?.way === "link") this.#leave(plain, wanted, heard, rule.mark);
    else this.settings.outbound.open(plain, target, heard);
  }

  /** Straight to the server, by the link that the mark leads to. */
  #leave(plain: Registered, wanted: Bytes, heard: Bytes, mark: number): void {
    const { native, reactor, counters } = this.settings;
    let fd: number;
    try {
      fd = native.connect(wanted, { mark, resetOnClose: true }).fd;
    } catch {
      // No such way now: the rule says that no other is to be taken.
      return this.#drop(plain);
    }
    // What else it says waits in its socket.
    plain.watched = 0;
    reactor.watch(plain.fd, plain.tag, 0);
    const timer = setTimeout(() => giveUp(), CONNECT_MS);
    const tag = reactor.add(fd, PollEvents.out, () => {
      clearTimeout(timer);
      if (native.connectResult(fd) < 0) return giveUp();
      native.setNoDelay(fd, true);
      native.setKeepalive(fd, patience);
      // A fresh connection has room for the first bytes.
      if (native.write(fd, heard, 0, heard.length) !== heard.length) return giveUp();
      new Relay(
        native,
        reactor,
        plain,
        { fd, tag, watched: PollEvents.out },
        { ...PLAIN, free() {} },
        counters,
      );
    });
    const giveUp = () => {
      clearTimeout(timer);
      reactor.forget(tag);
      native.abort(fd);
      reactor.forget(plain.tag);
      refuse(native, plain.fd);
    };
  }

  #drop(plain: Registered): void {
    this.settings.reactor.forget(plain.tag);
    this.settings.native.abort(plain.fd);
  }
}

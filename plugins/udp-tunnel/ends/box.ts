// The box's end: a path per link, one session with the peer, and the LAN's packets while it stands.
import { encodeAddress, type Native } from "../../../core/native/ffi.ts";
import {
  CALLS,
  type Context,
  LAN_PREFIX,
  type Link,
  LINK_WAY,
  type LinkWayFact,
  PATH,
  type PathFact,
  readKey,
  type TunnelFact,
  type View,
} from "@otb/plugin";
import { Initiator } from "../handshake/initiator.ts";
import { QuestionNumbers } from "../handshake/replay.ts";
import { boxClaims, DEVICE } from "./claims.ts";
import type { Config } from "../config.ts";
import { TIER_NEVER } from "../session/control.ts";
import { MAX_PATHS } from "../schedule/delivery.ts";
import { BoxPublisher } from "./box_publisher.ts";
import { TunDevice } from "./tun_device.ts";
import { addressText, prefixText } from "./facts.ts";
import { lanFlows, rememberFlows } from "./flow_times.ts";
import type { Welcome } from "../handshake/greeting.ts";
import { isFor, isFrom } from "./inner_address.ts";
import { innerMtu } from "./inner_mtu.ts";
import { TunnelPath } from "../paths/path.ts";
import { PrefixCheck, QUESTION_BYTES } from "./prefix_check.ts";
import { type Ends, type Host, Pump } from "./pump.ts";
import { Session } from "../session/session.ts";
import { COOKIE, RESPONSE } from "../wire.ts";
import type { Words } from "../texts/mod.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const TIERS = { primary: 0, secondary: 1, backup: 2, never: TIER_NEVER };
/** How often the session is looked at. */
const LOOK_MS = 100;
/** Questions to the peer: how soon with a cookie, how soon the next, and how slowly at last. */
const ASK_AGAIN_US = 5_000, ASK_FIRST_US = 500_000, ASK_LAST_US = 5_000_000;
/** Silence of all paths after which the session is doubted, and after which packets do not go in any more. */
const DOUBT_US = 1_000_000, DOWN_US = 3_000_000;
/** After so long without an answer the box asks in the former protocol too, and so often, to see whether the peer is an older one. */
const WONDER_US = 5_000_000, WONDER_EVERY_US = 20_000_000;
/** A call goes on so long after its last packet. */
const CALL_US = 10_000_000;
/** From so much on a link is looked at as often as if the tunnel used it. */
const LOADED_BITS_PER_SECOND = 500_000;
const PEER_OLDER = "The peer runs an older otb whose tunnel this box no longer speaks: update the peer";
const BUFFER_BYTES = 4 * 1024 * 1024;

/** One link's socket. */
interface Socket {
  key: string;
  fd: number;
  path: number;
}

export class BoxTunnel implements Host {
  readonly #pump: Pump;
  readonly #ways: View<ReadonlyMap<string, LinkWayFact>>;
  /** What the proxy's connections carry: full links are to be watched, whoever fills them. */
  readonly #proxied: View<ReadonlyMap<string, PathFact>>;
  readonly #remote: Bytes;
  #initiator: Initiator | undefined;
  #questions: QuestionNumbers | undefined;
  #device: TunDevice | undefined;
  #session: Session | undefined;
  #welcome: Welcome | undefined;
  #sessionId: Bytes = new Uint8Array(0);
  readonly #sockets = new Map<string, Socket>();
  #askedUs = -Infinity;
  #answeredUs = -Infinity;
  #startedUs = -Infinity;
  #wonderedUs = -Infinity;
  #isPeerOlder = false;
  #askEveryUs = ASK_FIRST_US;
  #aliveUs = -Infinity;
  #isUp = false;
  #isCalled: boolean | undefined;
  #fact: TunnelFact = { state: "unknown", sinceMs: 0, interface: DEVICE };
  #claimed = "";
  #claiming: Promise<void> = Promise.resolve();
  readonly #publisher: BoxPublisher;
  #prefixCheck: PrefixCheck | undefined;
  /** Rates that links had when they were last used, bits per second, by link. */
  #rates: { [link: string]: number } = {};

  #settings: Pick<Config, "rekeySeconds" | "verify6">;

  constructor(private readonly ctx: Context<Config, Words>, private readonly native: Native) {
    this.#settings = ctx.config;
    this.#pump = new Pump(native, this);
    this.#publisher = new BoxPublisher(ctx);
    this.#ways = ctx.facts.watch(LINK_WAY);
    this.#proxied = ctx.facts.watch(PATH);
    const [peer] = ctx.network.current.peers;
    this.#remote = encodeAddress({ host: peer!.address, port: peer!.port });
  }

  async start(): Promise<void> {
    const { ctx, native } = this;
    const remember = () => rememberFlows(ctx, lanFlows(ctx.network.current.lan?.interface));
    await remember();
    ctx.defer(ctx.network.subscribe(() => void remember()));
    const [peer] = ctx.network.current.peers;
    if (!peer?.tunnelKey) {
      ctx.health.raise("tunnel-key-missing");
      return this.#tell(true);
    }
    ctx.health.clear("tunnel-key-missing");
    const privateKey = readKey(ctx.secret("tunnel-key"), "tunnel-key");
    this.#initiator = new Initiator(native, {
      privateKey,
      peerKey: readKey(peer.tunnelKey, "tunnelKey of the peer"),
      psk: readKey(ctx.secret("psk"), "psk"),
    });
    const counter = await ctx.store.get<string>("questions");
    this.#questions = new QuestionNumbers(counter, (reserved) => ctx.store.set("questions", reserved));
    // The first one is reserved while sockets are opened.
    this.#questions.next(ctx.clock.now());
    this.#startedUs = this.#answeredUs = this.#pump.now();
    this.#rates = await ctx.store.get<{ [link: string]: number }>("rates") ?? {};
    this.#sessionId = native.random(new Uint8Array(8));
    this.#device = new TunDevice(ctx, native, this.#pump);
    ctx.defer(async () => {
      await this.#pump.stop();
      this.#session?.close();
      this.#initiator?.close();
      for (const { fd } of this.#sockets.values()) native.close(fd);
      this.#device?.close();
    });
    void this.#pump.run().catch((error) =>
      ctx.log.error("The tunnel's loop ended", { reason: String(error) })
    );
    const follow = () => this.#follow();
    ctx.defer(this.#ways.subscribe(follow));
    ctx.defer(ctx.links.subscribe(follow));
    follow();
    const timer = setInterval(() => this.#look(), LOOK_MS);
    ctx.defer(() => clearInterval(timer));
    ctx.defer(() => this.#remember());
    this.#look();
  }

  /** Other settings hold from now on; the session goes on. */
  take(next: Config): void {
    // Whether the prefix works is asked anew, of others; until they answer the LAN keeps what it was told.
    if (JSON.stringify(next.verify6) !== JSON.stringify(this.#settings.verify6)) {
      const former = this.#prefixCheck;
      this.#prefixCheck = undefined;
      if (former && this.#welcome?.prefix) {
        this.#prefixCheck = new PrefixCheck(this.native, this.#welcome.prefix, next.verify6);
        this.#prefixCheck.isVerified = former.isVerified;
      }
    }
    this.#settings = next;
  }

  /** Sessions that stand. */
  get sessions(): number {
    return this.#isUp ? 1 : 0;
  }

  // ---------------------------------------------------------------- packets (Host)

  route(bytes: Bytes, offset: number): Session | undefined {
    // What the kernel says for itself on the device, and who hides behind nothing, stays here.
    return this.#welcome && isFrom(bytes, offset, this.#welcome) ? this.#session : undefined;
  }

  arrived(): void {
    // The peer's address is what the settings say; answers may come from another one of its own.
  }

  proved(): void {
    // This end asks: keys are proved when the answer comes.
  }

  leapt(): void {
    this.ctx.log.info("The clock leapt: new keys are agreed on, as this may be a copy of another machine");
    this.#initiator?.close();
    this.#session?.epochs.abandon();
    this.#askedUs = -Infinity;
  }

  raw(fd: number, message: Bytes, _ends: Ends): void {
    const nowUs = this.#pump.now();
    if (message[0] === COOKIE) {
      if (!this.#initiator?.cookie(message, nowUs)) return;
      // At once, as the peer waits for just that; a cookie counts for one question.
      if (nowUs - this.#askedUs > ASK_AGAIN_US) return this.#ask(nowUs);
      this.#askedUs = -Infinity;
      return;
    }
    if (message[0] !== RESPONSE) return;
    const answer = this.#initiator?.answer(message);
    if (!answer) {
      if (!this.#initiator?.isFormerAnswer(message)) return;
      this.#isPeerOlder = true;
      return this.#changed();
    }
    this.#isPeerOlder = false;
    this.#answeredUs = nowUs;
    const { welcome, index, keys, askedUs } = answer;
    const isSame = this.#session && this.#welcome &&
      JSON.stringify([...welcome.peerId]) === JSON.stringify([...this.#welcome.peerId]);
    if (!isSame) this.#begin(welcome, nowUs);
    const session = this.#session!;
    this.#welcome = welcome;
    session.epochs.use(index, keys, nowUs);
    session.heardUs = nowUs;
    this.#askEveryUs = ASK_FIRST_US;
    const path = session.paths.find((path) => path?.fd === fd);
    if (path && !isSame) {
      path.roundTrip.sample(nowUs - askedUs);
      path.liveness.confirmed(askedUs, nowUs);
    }
    session.beat.hurry();
    session.beat.changed(nowUs);
  }

  // ---------------------------------------------------------------- session and paths

  /** A new session: the first one, or the peer has started anew. */
  #begin(welcome: Welcome, nowUs: number): void {
    const former = this.#session;
    if (former) {
      this.ctx.log.info("The peer has started anew: a new session begins");
      this.#pump.sessions[former.tag] = undefined;
      former.close();
    }
    const tag = this.#pump.freeTag();
    const session = new Session(
      this.#pump.shared,
      tag,
      nowUs,
      false,
      (offset) => {
        const { bytes } = this.#pump.shared.in;
        return isFor(bytes, offset, welcome) && !this.#prefixCheck?.isAnswer(bytes, offset, this.#pump.now());
      },
    );
    this.#prefixCheck = undefined;
    this.#pump.sessions[tag] = this.#session = session;
    session.beat.onChange = () => this.#changed();
    this.#follow();
  }

  /** Sockets and paths follow the links. */
  #follow(): void {
    const { ctx, native } = this;
    if (!this.#initiator || ctx.signal.aborted) return;
    const nowUs = this.#pump.now();
    const wanted = new Map<string, { way: LinkWayFact; link: Link; path: number }>();
    for (const way of this.#ways.current.values()) {
      const link = ctx.links.current.find(({ name }) => name === way.link);
      const path = (way.mark >> 8) - 1;
      // The peer has one address; a link of the other family does not reach it.
      if (!link || path < 0 || path >= MAX_PATHS || way.source.includes(":") !== (this.#remote[0] === 10)) {
        continue;
      }
      wanted.set(way.link, { way, link, path });
    }
    for (const [name, socket] of this.#sockets) {
      const want = wanted.get(name);
      if (want && keyOf(want.way) === socket.key) continue;
      this.#pump.remove(socket.fd);
      native.close(socket.fd);
      this.#sockets.delete(name);
      const path = this.#session?.paths[socket.path];
      if (path?.name === name && !want) this.#session!.paths[socket.path] = undefined;
    }
    for (const [name, { way, link, path }] of wanted) {
      const socket = this.#sockets.get(name) ?? this.#open(name, way, path);
      if (!socket) continue;
      const tier = TIERS[link.tier];
      const known = this.#session?.paths[path];
      if (known?.name === name) {
        known.fd = socket.fd;
        known.tier = tier;
        known.cap((link.upMbps ?? 0) * 1e6);
        known.capKbps = Math.round((link.downMbps ?? 0) * 1_000);
      } else if (this.#session) {
        const cap = link.upMbps === undefined ? undefined : link.upMbps * 1e6;
        const fresh = new TunnelPath({
          name,
          fd: socket.fd,
          remote: this.#remote,
          tier,
          linkMtu: link.observed.mtu,
          capBitsPerSecond: cap,
          startBitsPerSecond: this.#rates[name],
        });
        fresh.capKbps = Math.round((link.downMbps ?? 0) * 1_000);
        this.#session.paths[path] = fresh;
        this.#session.beat.begins(nowUs);
      }
    }
    this.#session?.beat.changed(nowUs);
    this.#pump.wake();
  }

  #open(name: string, way: LinkWayFact, path: number): Socket | undefined {
    try {
      const fd = this.native.udpOpen({ host: way.source, port: 0 }, {
        device: way.interface,
        mark: way.mark,
        gro: true,
        marks: true,
        whole: true,
        bufferBytes: BUFFER_BYTES,
      });
      const socket = { key: keyOf(way), fd, path };
      this.#sockets.set(name, socket);
      this.#pump.add(fd);
      this.#askedUs = -Infinity;
      return socket;
    } catch (error) {
      this.ctx.log.warn(`Cannot open the tunnel's socket on link "${name}"`, { reason: String(error) });
    }
  }

  // ---------------------------------------------------------------- judging and telling

  /** Asks the peer when that is due, and sees whether the tunnel stands. */
  #look(): void {
    const nowUs = this.#pump.now();
    const session = this.#session;
    this.#device?.look();
    const isAlive = !!this.#device?.isThere && !!session?.epochs.keys &&
      session.paths.some((path) => path?.isWished && path.liveness.state === "up");
    if (isAlive) this.#aliveUs = nowUs;
    const isUp = isAlive || this.#isUp && !!session?.epochs.keys && nowUs - this.#aliveUs < DOWN_US;
    if (isUp !== this.#isUp || this.#fact.state === "unknown") {
      this.#isUp = isUp;
      this.#changed();
    }
    if (session) this.#checkPrefix(session, nowUs);
    if (session && this.#isLoaded()) session.usedUs = nowUs;
    const going = !!session && nowUs - session.calledUs < CALL_US;
    if (going !== this.#isCalled) {
      this.#isCalled = going;
      this.ctx.facts.publish(CALLS, { going, sinceMs: this.ctx.clock.now() });
    }
    const isDue = !session?.epochs.keys ||
      session.epochs.isRekeyDue(this.#settings.rekeySeconds * 1e6, nowUs) ||
      !isAlive && nowUs - Math.max(this.#aliveUs, session.heardUs) > DOUBT_US;
    if (isDue && nowUs - this.#askedUs > this.#askEveryUs) this.#ask(nowUs);
    if (
      isDue && nowUs - Math.max(this.#answeredUs, this.#aliveUs) > WONDER_US &&
      nowUs - this.#wonderedUs > WONDER_EVERY_US
    ) {
      this.#wonderedUs = nowUs;
      this.#send(this.#initiator!.askFormer(nowUs));
    }
    this.#tell(false);
  }

  /** Whether the proxy carries enough over any link that a queue may stand there. */
  #isLoaded(): boolean {
    for (const { rxBitsPerSecond, txBitsPerSecond } of this.#proxied.current.values()) {
      if (rxBitsPerSecond + txBitsPerSecond > LOADED_BITS_PER_SECOND) return true;
    }
    return false;
  }

  #tell(isNow: boolean): void {
    this.#publisher.tell(this.#fact, this.#session, this.#pump.now(), isNow);
  }

  #ask(nowUs: number): void {
    if (this.#sockets.size === 0) return;
    const counter = this.#questions!.next(this.ctx.clock.now());
    if (counter === undefined) return;
    this.#askedUs = nowUs;
    this.#askEveryUs = Math.min(ASK_LAST_US, this.#askEveryUs * 1.5);
    this.#send(this.#initiator!.ask(this.#sessionId, counter, nowUs));
  }

  /** Over every link that may be used. */
  #send(message: Bytes): void {
    for (const [name, { fd }] of this.#sockets) {
      const link = this.ctx.links.current.find((link) => link.name === name);
      if (link?.tier === "never") continue;
      this.native.udpSend(fd, this.#remote, message, 0, message.length, 0);
    }
  }

  #changed(): void {
    void this.#claim().catch((error) => {
      this.ctx.log.error("Cannot set the tunnel up", { reason: String(error) });
      this.ctx.health.raise("tunnel-refused", { reason: (error as Error).message });
    });
  }

  /** The kernel follows; the fact follows the kernel. */
  #claim(): Promise<void> {
    const welcome = this.#welcome;
    const mtu = innerMtu(this.#session?.paths ?? []);
    const address = welcome && addressText(welcome.address);
    const wishes = welcome && address
      ? boxClaims({
        lan: this.ctx.network.current.lan?.interface,
        address,
        prefix: prefixText(welcome.prefix),
        mtu,
        isUp: this.#isUp,
      })
      : [];
    const isUp = this.#isUp, isPeerOlder = this.#isPeerOlder;
    const session = welcome && this.#initiator?.identity.sessionName(this.#sessionId, welcome.peerId);
    // What an earlier process claimed stays while this one begins: devices must not leave past the peer meanwhile.
    const isBeginning = !welcome && this.#pump.now() - this.#startedUs < DOWN_US;
    const text = JSON.stringify([wishes, isUp, isPeerOlder, session, isBeginning]);
    if (text === this.#claimed) return this.#claiming;
    this.#claimed = text;
    return this.#claiming = this.#claiming.catch(() => {}).then(async () => {
      if (!isBeginning) await this.ctx.claim("tunnel", wishes);
      this.ctx.health.clear("tunnel-refused");
      const isUnknown = this.#fact.state === "unknown" && !this.#session && !isPeerOlder;
      const state = isUp ? "up" : isUnknown ? "unknown" : "down";
      const sinceMs = state === this.#fact.state ? this.#fact.sinceMs : this.ctx.clock.now();
      this.#fact = {
        state,
        sinceMs,
        interface: DEVICE,
        address,
        mtu,
        reason: isUp
          ? undefined
          : isPeerOlder
          ? PEER_OLDER
          : this.#device?.isThere
          ? "the peer does not answer over any link"
          : `somebody deleted the device ${DEVICE}`,
        session,
      };
      this.#tell(true);
    });
  }

  /** The LAN is told of IPv6 once packets went out and came back. */
  #checkPrefix(session: Session, nowUs: number): void {
    const prefix = this.#welcome?.prefix;
    if (!prefix) {
      this.ctx.facts.publish(LAN_PREFIX, undefined);
      this.#prefixCheck = undefined;
      return;
    }
    const check = this.#prefixCheck ??= new PrefixCheck(this.native, prefix, this.#settings.verify6);
    const { shared } = this.#pump;
    for (const target of this.#isUp ? check.due(nowUs) : []) {
      const offset = shared.spare();
      check.write(target, shared.out.bytes, offset);
      session.transmit(offset, QUESTION_BYTES, nowUs);
    }
    shared.flush();
    this.ctx.facts.publish(LAN_PREFIX, {
      prefix: prefixText(prefix)!,
      resolvers: [],
      verified: check.isVerified && this.#isUp,
    });
  }

  async #remember(): Promise<void> {
    for (const path of this.#session?.paths ?? []) {
      if (path && !path.probe.isStarting) this.#rates[path.name] = Math.round(path.probe.rateBitsPerSecond);
    }
    await this.ctx.store.keep("rates", this.#rates);
  }
}

function keyOf({ interface: device, source, mark }: LinkWayFact): string {
  return `${device} ${source} ${mark}`;
}

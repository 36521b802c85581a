// The peer's end: answers boxes, keeps a session for each, and lets their packets out with its own address.
import ipaddr from "ipaddr.js";
import { decodeAddress, type Native } from "../../../core/native/ffi.ts";
import {
  BOXES,
  type Context,
  LISTENS,
  readBoxes,
  readKey,
  targetRules,
  TUNNEL,
  TUNNEL_PATH,
} from "@otb/plugin";
import { type Asked, type Asking, Responder } from "../handshake/responder.ts";
import { Boxes, type KnownBox } from "../handshake/boxes.ts";
import { cloudClaims, DEVICE } from "./claims.ts";
import type { Config } from "../config.ts";
import { TunDevice } from "./tun_device.ts";
import { addressText, pathFact, pathStatus, prefixText } from "./facts.ts";
import { boxFlows, rememberFlows } from "./flow_times.ts";
import type { Welcome } from "../handshake/greeting.ts";
import { type InnerAddress, isFor, isFrom, keysOf, targetKey } from "./inner_address.ts";
import { innerMtu } from "./inner_mtu.ts";
import { TunnelPath } from "../paths/path.ts";
import { AddressPool, prefixOf, type StoredAddresses } from "./address_pool.ts";
import { type Ends, type Host, Pump } from "./pump.ts";
import { Session } from "../session/session.ts";
import { INITIATION, MOST_INNER_MTU } from "../wire.ts";
import type { Words } from "../texts/mod.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const BUFFER_BYTES = 8 * 1024 * 1024;
const LOOK_MS = 200, IDLE_TELL_MS = 5_000;
/** Boxes with a session at once; the longest silent one gives way. */
const MOST_SESSIONS = 256;
/** A session that says nothing ends: a running box says something every ten seconds. */
const SILENT_US = 60_000_000;
/** What a path that nobody proved any more is forgotten after. */
const PATH_SILENT_US = 60_000_000;
/** So long after its last question a box counts as too old to be answered. */
const FORMER_US = 60_000_000;

/** One session of a box. */
interface Box extends InnerAddress {
  known: KnownBox;
  /** Who holds address and session (KnownBox.holder), and the key that it came with. */
  holder: string;
  staticKey: string;
  session: Session;
  sessionId: string;
  /** The session's id at this end, and its name for other plugins. */
  peerId: Bytes;
  name: string;
}

export class CloudTunnel implements Host {
  readonly #pump: Pump;
  #responder: Responder | undefined;
  #pool: AddressPool | undefined;
  #device: TunDevice | undefined;
  #fd = -1;
  readonly #known: Boxes;
  /** By the session's tag: those that have proved themselves, and those that have not yet. */
  readonly #boxes: (Box | undefined)[] = [];
  readonly #byTarget = new Map<number, Box>();
  /** Proved boxes by holder. */
  readonly #byHolder = new Map<string, Box>();
  /** What boxes asked in the former protocol, and when last. */
  #former = 0;
  #formerUs = -Infinity;
  #claimed = "";
  #claiming: Promise<void> = Promise.resolve();
  #toldMs = -Infinity;

  #allowTargets: string[];

  constructor(private readonly ctx: Context<Config, Words>, private readonly native: Native) {
    this.#allowTargets = ctx.config.allowTargets;
    this.#pump = new Pump(native, this);
    this.#known = new Boxes(native);
  }

  async start(): Promise<void> {
    const { ctx, native } = this;
    const { pool, prefix6 } = ctx.config;
    // Before there were ids of boxes they were stored by public key alone.
    const stored = await ctx.store.get<StoredAddresses>("addresses") ??
      await ctx.store.get<{ [key: string]: number }>("places");
    this.#pool = new AddressPool(pool, stored ?? {});
    const privateKey = readKey(ctx.secret("tunnel-key"), "tunnel-key");
    this.#responder = new Responder(
      native,
      privateKey,
      this.#known,
      (asking) => this.#welcome(asking, prefix6),
    );
    const boxes = ctx.facts.watch(BOXES);
    this.#readBoxes();
    ctx.defer(boxes.subscribe(() => this.#readBoxes()));
    const [self] = ctx.network.current.peers;
    this.#fd = this.#listen(self!.port);
    ctx.facts.publish(LISTENS, ctx.name, {
      services: [{ protocol: "udp", port: self!.port, zones: ["link"] }],
    });
    this.#device = new TunDevice(ctx, native, this.#pump);
    this.#pump.add(this.#fd);
    ctx.defer(async () => {
      await this.#pump.stop();
      for (const box of this.#boxes) box?.session.close();
      native.close(this.#fd);
      this.#device?.close();
    });
    await this.#claim();
    await rememberFlows(ctx, boxFlows(DEVICE));
    void this.#pump.run().catch((error) =>
      ctx.log.error("The tunnel's loop ended", { reason: String(error) })
    );
    const timer = setInterval(() => this.#look(), LOOK_MS);
    ctx.defer(() => clearInterval(timer));
    ctx.facts.publish(TUNNEL, {
      state: "up",
      sinceMs: ctx.clock.now(),
      interface: DEVICE,
      address: this.#pool.gateway,
      mtu: MOST_INNER_MTU,
    });
    this.#look();
  }

  /** Other settings hold from now on; sessions go on. @throws OtbError what claiming throws */
  async take({ allowTargets }: Config): Promise<void> {
    this.#allowTargets = allowTargets;
    await this.#claim();
  }

  /** Sessions of boxes. */
  get sessions(): number {
    return this.#byHolder.size;
  }

  /** One socket for both families; where the kernel has no IPv6, for one. */
  #listen(port: number): number {
    const options = { gro: true, marks: true, local: true, whole: true, bufferBytes: BUFFER_BYTES };
    try {
      return this.native.udpOpen({ host: "::", port }, options);
    } catch {
      return this.native.udpOpen({ host: "0.0.0.0", port }, options);
    }
  }

  // ---------------------------------------------------------------- packets (Host)

  route(bytes: Bytes, offset: number): Session | undefined {
    const box = this.#byTarget.get(targetKey(bytes, offset));
    return box && isFor(bytes, offset, box) ? box.session : undefined;
  }

  arrived(session: Session, index: number, fd: number, { remote, local }: Ends, counter: number): void {
    const path = session.paths[index];
    if (!path) {
      session.paths[index] = new TunnelPath({ name: nameOf(remote), fd, remote, local, tier: 0 });
      this.#toldMs = -Infinity;
      session.beat.begins(this.#pump.now());
      session.beat.changed(this.#pump.now());
      return;
    }
    // What is older than the newest may have been sent from where the box was before.
    if (counter <= path.newestCounter) return;
    path.moved(nameOf(remote), remote, local);
    this.#toldMs = -Infinity;
  }

  proved(session: Session): void {
    const box = this.#boxes[session.tag];
    const nowUs = this.#pump.now();
    if (!box || !session.epochs.proved(nowUs)) return;
    box.known.newest.proved(box.staticKey, nowUs / 1_000);
    if (this.#pool!.used(box.holder, this.ctx.clock.now())) this.#storePlaces();
    const former = this.#byHolder.get(box.holder);
    if (former === box) return;
    if (former) this.#end(former);
    this.#byHolder.set(box.holder, box);
    for (const key of keysOf(box)) this.#byTarget.set(key, box);
    this.ctx.log.info("A box has come", { box: box.known.name, address: addressText(box.address) });
    this.#changed();
  }

  raw(fd: number, message: Bytes, { remote, local }: Ends): void {
    if (message[0] !== INITIATION) return;
    const nowUs = this.#pump.now();
    const reply = this.#responder!.take(message, remote, nowUs);
    if (!reply) return;
    if (reply.asked) this.#prepare(reply.asked, nowUs);
    this.native.udpSend(fd, remote, reply.message, 0, reply.message.length, 0, local);
  }

  leapt(): void {
    this.ctx.log.info("The clock leapt: new keys are agreed on, as this may be a copy of another machine");
    this.#responder?.forget();
    for (const box of this.#boxes) box?.session.epochs.abandon();
  }

  // ---------------------------------------------------------------- boxes

  /** Follows who belongs to this peer: a box that is gone has no session from now on. */
  #readBoxes(): void {
    const gone = this.#known.update(readBoxes((name) => this.ctx.secret(name)), (name, error) => {
      this.ctx.log.error("Cannot let a box in", { box: name, reason: error.message });
    });
    if (gone.length === 0) return;
    for (const box of this.#boxes) if (box && gone.includes(box.known)) this.#end(box);
    for (const { id } of gone) this.#pool!.release(id);
    this.#storePlaces();
    this.#changed();
    this.#look();
  }

  #storePlaces(): void {
    void this.ctx.store.keep("addresses", this.#pool!.stored);
  }

  #find({ box, staticKey, sessionId }: Asking): Box | undefined {
    const id = sessionId.join();
    return this.#boxes.find((one) =>
      one?.known === box && one.staticKey === staticKey && one.sessionId === id
    );
  }

  #welcome(asking: Asking, prefix6: string): Welcome | undefined {
    const { box, staticKey } = asking;
    const place = this.#pool!.of(box.holder(staticKey), {
      boxId: box.id,
      former: staticKey,
      most: box.most,
      isLive: (holder) => this.#boxes.some((one) => one?.holder === holder),
    });
    if (!place) return undefined;
    return {
      peerId: this.#find(asking)?.peerId ?? this.native.random(new Uint8Array(8)),
      address: place.address,
      gateway: new Uint8Array(ipaddr.parse(this.#pool!.gateway).toByteArray()),
      prefix: prefixOf(prefix6, place.number),
    };
  }

  /** Keys were agreed on: for the box's session, or for a new one that has to prove itself. */
  #prepare(asked: Asked, nowUs: number): void {
    const { box: known, staticKey, sessionId, welcome, index, keys } = asked;
    const same = this.#find(asked);
    if (same) return same.session.epochs.prepare(index, keys, nowUs);
    const holder = known.holder(staticKey);
    // Another one that never proved itself gives way; then, if this box has all that it may have, the one that is silent longest.
    for (const box of this.#boxes) {
      if (box?.holder === holder && this.#byHolder.get(holder) !== box) this.#end(box);
    }
    const boxes = this.#boxes.flatMap((box) => box ? [box] : []),
      own = boxes.filter((box) => box.known === known);
    if (own.length > known.most) this.#end(longestSilent(own));
    else if (boxes.length >= MOST_SESSIONS) this.#end(longestSilent(boxes));
    const inner: InnerAddress = { address: welcome.address, prefix: welcome.prefix };
    const tag = this.#pump.freeTag();
    const { bytes } = this.#pump.shared.in;
    const session = new Session(
      this.#pump.shared,
      tag,
      nowUs,
      true,
      (offset) => isFrom(bytes, offset, inner),
    );
    this.#pump.sessions[tag] = session;
    session.beat.onChange = () => this.#changed();
    session.epochs.prepare(index, keys, nowUs);
    this.#boxes[tag] = {
      known,
      holder,
      staticKey,
      session,
      sessionId: sessionId.join(),
      peerId: welcome.peerId,
      name: known.identity.sessionName(sessionId, welcome.peerId),
      ...inner,
    };
  }

  #end(box: Box): void {
    this.#pump.sessions[box.session.tag] = undefined;
    this.#boxes[box.session.tag] = undefined;
    box.session.close();
    if (this.#byHolder.get(box.holder) === box) this.#byHolder.delete(box.holder);
    for (const key of keysOf(box)) if (this.#byTarget.get(key) === box) this.#byTarget.delete(key);
  }

  #look(): void {
    this.#device?.look();
    const nowUs = this.#pump.now();
    for (const box of this.#boxes) {
      if (!box) continue;
      if (nowUs - box.session.heardUs > SILENT_US) this.#end(box);
      for (const [index, path] of box.session.paths.entries()) {
        if (path && nowUs - path.echoAtUs > PATH_SILENT_US && path.echoAtUs > 0) {
          box.session.paths[index] = undefined;
        }
      }
    }
    this.#tellFormer(nowUs);
    this.#tell(nowUs);
  }

  /** A box that is older than this peer gets no answer: people are told why. */
  #tellFormer(nowUs: number): void {
    const { former } = this.#responder!.counts;
    if (former !== this.#former) {
      if (nowUs - this.#formerUs > FORMER_US) {
        this.ctx.health.raise("tunnel-box-older");
      }
      this.#former = former;
      this.#formerUs = nowUs;
    } else if (nowUs - this.#formerUs > FORMER_US && this.#formerUs > -Infinity) {
      this.#formerUs = -Infinity;
      this.ctx.health.clear("tunnel-box-older");
    }
  }

  #changed(): void {
    void this.#claim().catch((error) =>
      this.ctx.health.raise("tunnel-refused", { reason: (error as Error).message })
    );
  }

  #claim(): Promise<void> {
    const wishes = cloudClaims({
      pool: this.ctx.config.pool,
      gateway: this.#pool!.gateway,
      // Itself too: what boxes dial may be an address that somebody else translates to this machine.
      targets: targetRules(this.#allowTargets, this.ctx.network.current.peers.map(({ address }) => address)),
      uplinks6: this.ctx.links.current.filter(({ observed }) => observed.gateway?.includes(":")).map((link) =>
        link.interface
      ),
      boxes: [...this.#byHolder.values()].map(({ address, prefix, session }) => ({
        address: addressText(address),
        prefix: prefixText(prefix),
        mtu: innerMtu(session.paths),
      })),
    });
    const text = JSON.stringify(wishes);
    if (text === this.#claimed) return this.#claiming;
    this.#claimed = text;
    return this.#claiming = this.#claiming.catch(() => {}).then(async () => {
      await this.ctx.claim("tunnel", wishes);
      this.ctx.health.clear("tunnel-refused");
    });
  }

  /** When each box was last heard, milliseconds since the epoch. */
  #seen(boxes: Box[], nowUs: number): { [name: string]: { lastSeenMs: number } } {
    const nowMs = this.ctx.clock.now();
    const seen: { [name: string]: { lastSeenMs: number } } = {};
    for (const { known: { name }, session } of boxes) {
      const lastSeenMs = Math.round(nowMs - (nowUs - session.heardUs) / 1_000);
      seen[name] = { lastSeenMs: Math.max(lastSeenMs, seen[name]?.lastSeenMs ?? 0) };
    }
    return seen;
  }

  #tell(nowUs: number): void {
    const { ctx } = this;
    const boxes = [...this.#byHolder.values()];
    const isInUse = boxes.some(({ session }) => session.isInUse(nowUs));
    if (!isInUse && performance.now() - this.#toldMs < IDLE_TELL_MS) return;
    this.#toldMs = performance.now();
    const paths = boxes.flatMap(({ session, name }) =>
      session.paths.flatMap((path) => path ? [{ path, name }] : [])
    );
    const atMs = ctx.clock.now();
    ctx.facts.publishAll(
      TUNNEL_PATH,
      new Map(paths.map(({ path, name }) => [
        path.name,
        { ...pathFact(path, path.name, nowUs, atMs, true), session: name },
      ])),
    );
    ctx.publishStatus({
      state: "up",
      interface: DEVICE,
      sessions: boxes.length,
      // By name, as the core looks for it.
      boxes: this.#seen(boxes, nowUs),
      handshakes: { ...this.#responder!.counts },
      paths: paths.map(({ path }) => pathStatus(path)) as never,
      packets: {
        sent: sum(boxes, ({ session }) => session.counts.sent),
        received: sum(boxes, ({ session }) => session.counts.received),
        refused: sum(boxes, ({ session }) => session.counts.refused),
        bad: sum(boxes, ({ session }) => session.counts.bad),
      },
    });
  }
}

function longestSilent(boxes: Box[]): Box {
  return boxes.reduce((silent, box) => box.session.heardUs < silent.session.heardUs ? box : silent);
}

function sum<T>(all: T[], of: (one: T) => number): number {
  return all.reduce((total, one) => total + of(one), 0);
}

function nameOf(remote: Bytes): string {
  const { host, port } = decodeAddress(remote);
  return `${host}/${port}`;
}

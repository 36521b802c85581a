// The peer's end: answers boxes, keeps a session for each, and lets their packets out with its own address.
import ipaddr from "ipaddr.js";
import { decodeAddress, type Native } from "../../core/native/ffi.ts";
import { type Context, type ListensFact, targetRules, type TunnelFact } from "../../core/plugin.ts";
import { Answerer, type Asked } from "./answerer.ts";
import { cloudClaims, DEVICE } from "./claims.ts";
import type { Config } from "./config.ts";
import { Device } from "./device.ts";
import { addressText, pathFact, pathStatus, prefixText } from "./facts.ts";
import type { Welcome } from "./greeting.ts";
import { type InnerAddress, isFor, isFrom, keysOf, targetKey } from "./inner.ts";
import { innerMtu } from "./inner_mtu.ts";
import { readKey } from "./keys.ts";
import { TunnelPath } from "./path.ts";
import { Places, prefixOf } from "./places.ts";
import { type Host, Pump } from "./pump.ts";
import { Session } from "./session.ts";
import { COOKIE, INITIATION, MOST_INNER_MTU } from "./wire.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const BUFFER_BYTES = 8 * 1024 * 1024;
const LOOK_MS = 200, IDLE_TELL_MS = 5_000;
/** Boxes with a session at once; the longest silent one gives way. */
const MOST_SESSIONS = 256;
/** A session that says nothing ends: a running box says something every ten seconds. */
const SILENT_US = 60_000_000;
/** What a path that nobody proved any more is forgotten after. */
const PATH_SILENT_US = 60_000_000;
/** One box. */
interface Box extends InnerAddress {
  key: string;
  session: Session;
  sessionId: string;
}

export class CloudTunnel implements Host {
  readonly #pump: Pump;
  #answerer: Answerer | undefined;
  #places: Places | undefined;
  #device: Device | undefined;
  #fd = -1;
  readonly #peerId: Bytes;
  /** By the session's tag: those that have proved themselves, and those that have not yet. */
  readonly #boxes: (Box | undefined)[] = [];
  readonly #byTarget = new Map<number, Box>();
  /** Proved boxes by public key. */
  readonly #byKey = new Map<string, Box>();
  #claimed = "";
  #claiming: Promise<void> = Promise.resolve();
  #published = new Set<string>();
  #toldMs = -Infinity;

  constructor(private readonly ctx: Context<Config>, private readonly native: Native) {
    this.#pump = new Pump(native, this);
    this.#peerId = native.random(new Uint8Array(8));
  }

  async start(): Promise<void> {
    const { ctx, native } = this;
    const { pool, prefix6 } = ctx.config;
    this.#places = new Places(pool, await ctx.store.get<{ [key: string]: number }>("places") ?? {});
    this.#answerer = new Answerer(native, {
      privateKey: readKey(ctx.secret("tunnel-key"), "tunnel-key"),
      psk: readKey(ctx.secret("psk"), "psk"),
    }, (box) => this.#welcome(box, prefix6));
    const [self] = ctx.network.current.peers;
    this.#fd = this.#listen(self!.port);
    const listens: ListensFact = { services: [{ protocol: "udp", port: self!.port, zones: ["link"] }] };
    ctx.facts.publish("listens/udp-tunnel", listens);
    this.#device = new Device(ctx, native, this.#pump);
    this.#pump.add(this.#fd);
    ctx.defer(async () => {
      await this.#pump.stop();
      for (const box of this.#boxes) box?.session.close();
      native.close(this.#fd);
      this.#device?.close();
    });
    await this.#claim();
    void this.#pump.run().catch((error) =>
      ctx.log.error("The tunnel's loop ended", { reason: String(error) })
    );
    const timer = setInterval(() => this.#look(), LOOK_MS);
    ctx.defer(() => clearInterval(timer));
    const fact: TunnelFact = {
      state: "up",
      sinceMs: ctx.clock.now(),
      interface: DEVICE,
      address: this.#places.gateway,
      mtu: MOST_INNER_MTU,
    };
    ctx.facts.publish("tunnel", fact);
    this.#look();
  }

  /** One socket for both families; where the kernel has no IPv6, for one. */
  #listen(port: number): number {
    const options = { gro: true, marks: true, whole: true, bufferBytes: BUFFER_BYTES };
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

  arrived(session: Session, index: number, fd: number, remote: Bytes, counter: number): void {
    const path = session.paths[index];
    if (!path) {
      session.paths[index] = new TunnelPath({ name: nameOf(remote), fd, remote, tier: 0 });
      session.beat.begins(this.#pump.now());
      session.beat.changed(this.#pump.now());
      return;
    }
    // What is older than the newest may have been sent from where the box was before.
    if (counter <= path.newestCounter) return;
    path.moved(nameOf(remote), remote);
  }

  proved(session: Session): void {
    const box = this.#boxes[session.tag];
    const nowUs = this.#pump.now();
    if (!box || !session.epochs.proved(nowUs)) return;
    const former = this.#byKey.get(box.key);
    if (former === box) return;
    if (former) this.#end(former);
    this.#byKey.set(box.key, box);
    for (const key of keysOf(box)) this.#byTarget.set(key, box);
    this.ctx.log.info("A box has come", { address: addressText(box.address) });
    this.#changed();
  }

  raw(fd: number, message: Bytes, remote: Bytes): void {
    if (message[0] !== INITIATION) return;
    const nowUs = this.#pump.now();
    const reply = this.#answerer!.take(message, remote, nowUs);
    if (!reply) return;
    if (reply.asked) this.#prepare(reply.asked, nowUs);
    this.native.udpSend(fd, remote, reply.message, 0, reply.message.length, 0);
    if (reply.message[0] === COOKIE && !this.#flooded) {
      this.#flooded = true;
      this.ctx.log.warn("Handshakes come in a flood: senders have to show their address");
    }
  }
  #flooded = false;

  // ---------------------------------------------------------------- boxes

  #welcome(box: string, prefix6: string): Welcome | undefined {
    const place = this.#places!.of(box);
    if (!place) return undefined;
    if (place.isNew) {
      void this.ctx.store.keep("places", this.#places!.numbers);
    }
    return {
      peerId: this.#peerId,
      address: place.address,
      gateway: new Uint8Array(ipaddr.parse(this.#places!.gateway).toByteArray()),
      prefix: prefixOf(prefix6, place.number),
    };
  }

  /** Keys were agreed on: for the box's session, or for a new one that has to prove itself. */
  #prepare({ box: key, sessionId, index, keys }: Asked, nowUs: number): void {
    const id = sessionId.join();
    const known = this.#boxes.find((box) => box?.key === key && box.sessionId === id);
    if (known) return known.session.epochs.prepare(index, keys, nowUs);
    // Another one that never proved itself gives way.
    for (const box of this.#boxes) if (box?.key === key && this.#byKey.get(key) !== box) this.#end(box);
    if (this.#boxes.filter((box) => box).length >= MOST_SESSIONS) this.#end(this.#longestSilent());
    const welcome = this.#welcome(key, this.ctx.config.prefix6)!;
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
    this.#boxes[tag] = { key, session, sessionId: id, ...inner };
  }

  #end(box: Box): void {
    this.#pump.sessions[box.session.tag] = undefined;
    this.#boxes[box.session.tag] = undefined;
    box.session.close();
    if (this.#byKey.get(box.key) === box) this.#byKey.delete(box.key);
    for (const key of keysOf(box)) if (this.#byTarget.get(key) === box) this.#byTarget.delete(key);
  }

  #longestSilent(): Box {
    const boxes = this.#boxes.flatMap((box) => box ? [box] : []);
    return boxes.reduce((silent, box) => box.session.heardUs < silent.session.heardUs ? box : silent);
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
    this.#flooded = false;
    this.#tell(nowUs);
  }

  #changed(): void {
    void this.#claim().catch((error) =>
      this.ctx.health.raise({
        code: "tunnel-refused",
        severity: "error",
        message: `The kernel refused what the tunnel needs: ${(error as Error).message}`,
      })
    );
  }

  #claim(): Promise<void> {
    const { pool, allowTargets } = this.ctx.config;
    const wishes = cloudClaims({
      pool,
      gateway: this.#places!.gateway,
      // Itself too: what boxes dial may be an address that somebody else translates to this machine.
      targets: targetRules(allowTargets, this.ctx.network.current.peers.map(({ address }) => address)),
      uplinks6: this.ctx.links.current.filter(({ observed }) => observed.gateway?.includes(":")).map((link) =>
        link.interface
      ),
      boxes: [...this.#byKey.values()].map(({ address, prefix, session }) => ({
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

  #tell(nowUs: number): void {
    const { ctx } = this;
    const boxes = [...this.#byKey.values()];
    const isInUse = boxes.some(({ session }) => session.isInUse(nowUs));
    if (!isInUse && performance.now() - this.#toldMs < IDLE_TELL_MS) return;
    this.#toldMs = performance.now();
    const paths = boxes.flatMap(({ session }) => session.paths.flatMap((path) => path ? [path] : []));
    const keys = new Set<string>();
    for (const path of paths) {
      const key = `tunnel-path/${path.name}`;
      keys.add(key);
      ctx.facts.publish(key, pathFact(path, path.name, nowUs, ctx.clock.now(), true));
    }
    for (const key of this.#published) if (!keys.has(key)) ctx.facts.publish(key, undefined);
    this.#published = keys;
    ctx.publishStatus({
      state: "up",
      interface: DEVICE,
      boxes: boxes.length,
      handshakes: { ...this.#answerer!.counts },
      paths: paths.map((path) => pathStatus(path)) as never,
      packets: {
        sent: sum(boxes, ({ session }) => session.counts.sent),
        received: sum(boxes, ({ session }) => session.counts.received),
        refused: sum(boxes, ({ session }) => session.counts.refused),
        bad: sum(boxes, ({ session }) => session.counts.bad),
      },
    });
  }
}

function sum<T>(all: T[], of: (one: T) => number): number {
  return all.reduce((total, one) => total + of(one), 0);
}

function nameOf(remote: Bytes): string {
  const { host, port } = decodeAddress(remote);
  return `${host}/${port}`;
}

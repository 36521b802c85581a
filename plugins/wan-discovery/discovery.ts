// The running search: frames in, evidence, plan, addresses, claims and facts out. The only part with I/O and time.
import type { Native } from "../../core/native/ffi.ts";
import {
  type Code,
  type Context,
  DHCP_PROBE,
  DHCP_PROBE_WANTED,
  DHCP_SERVER,
  INTERFACE,
  type InterfaceFact,
  isInside,
  type Json,
  type Lan,
  LINK,
  ROUTER_ADVERTISEMENT,
} from "@otb/plugin";
import { ANY, type Bytes, readMac } from "./frames/addresses.ts";
import { allResources, configuredLinks } from "./links/claims.ts";
import type { Config } from "./config.ts";
import { CLIENT_PORT, decode, SERVER_PORT } from "./frames/dhcp.ts";
import { Evidence } from "./search/evidence.ts";
import { arpProbe, parseAdvertisement, parseArp, parseUdp } from "./frames/frames.ts";
import { isSearchable } from "./search/interfaces.ts";
import { type Grant, LeaseClient, type Outgoing, usedOf } from "./links/lease.ts";
import { type Memory, readMemory } from "./search/memory.ts";
import { parsePppoeOffer, pppoeQuestion } from "./frames/pppoe.ts";
import { frameOf } from "./links/outgoing.ts";
import type { Plan, PlannedLink } from "./search/known.ts";
import { gatewaysToAsk, plan } from "./search/planner.ts";
import { COLLECT_MS, Prober } from "./search/prober.ts";
import {
  cannotForget,
  clashCondition,
  facts,
  floodConditions,
  maskCondition,
  modemRows,
  oddConditions,
  pppoeConditions,
  serverFact,
} from "./report.ts";
import { PacketSockets } from "./frames/packet_sockets.ts";
import type { Words } from "./texts/mod.ts";

/** Rounds in vain until a server is gone; ARP questions in vain until a modem is. */
const MISSED_ROUNDS = 3, MISSED_WATCHES = 4;
const BEAT_MS = 100, IDLE_BEAT_MS = 500;
/** As long as a router says at most that it stays one (RFC 4861 6.2.1). */
const ADVERTISED_MS = 9_000_000;

/** One searched interface. */
interface Searched {
  name: string;
  index: number;
  mac: string;
  carrier: boolean;
  prober: Prober;
}

/** The search as a whole; `probe` looks at once and says what was found. */
export interface Discovery {
  probe(): Promise<Json>;
  /** Forgets a link that is out of sight. @throws OtbError `link-unknown`, `link-there` */
  forget(name: string): Promise<void>;
}

/** Starts the search; it ends with the context. */
export async function startDiscovery(ctx: Context<Config, Words>, native: Native): Promise<Discovery> {
  const search = new Search(ctx, native);
  await search.start();
  return search;
}

/** How long until the kernel or the core is asked again for what it refused. */
const REFUSED_MS = 5_000;

class Search implements Discovery {
  #refusedUntilMs = 0;
  readonly #evidence = new Evidence();
  readonly #sockets: PacketSockets;
  #devices: InterfaceFact[] = [];
  #searched = new Map<string, Searched>();
  #clients = new Map<string, { client: LeaseClient; link: PlannedLink }>();
  #memory: Memory[] = [];
  #plan: Plan = { links: [], memory: [], conditions: [] };
  /** Ethernet addresses of this box. */
  #own = new Set<string>();
  #nextWatchMs = 0;
  #claimed = new Map<string, string>();
  #raised = new Set<Code<Words>>();
  #stored = "";
  #following: Promise<void> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly ctx: Context<Config, Words>, private readonly native: Native) {
    this.#sockets = new PacketSockets(
      native,
      (device, frame) => this.#take(device, frame),
      (device, reason) => ctx.log.debug("Cannot listen", { device, reason }),
    );
  }

  async start(): Promise<void> {
    const { ctx } = this;
    ctx.defer(async () => {
      clearTimeout(this.#timer);
      await this.#sockets.close();
      await this.#following;
    });
    this.#memory = readMemory(await ctx.store.get("modems"));
    this.#holdPort();
    const interfaces = ctx.facts.watch(INTERFACE);
    const look = () => this.#lookAtInterfaces([...interfaces.current.values()]);
    ctx.defer(interfaces.subscribe(look));
    const wanted = ctx.facts.watch(DHCP_PROBE_WANTED);
    ctx.defer(wanted.subscribe((probe) => {
      if (probe) this.#searched.get(probe.interface)?.prober.hurry(this.#nowMs());
      this.#soon();
    }));
    ctx.defer(ctx.network.subscribe(look));
    look();
    this.#resume();
    // What an earlier run claimed must be claimed again before this one is ready.
    await this.#follow();
    this.#beat();
  }

  async probe(): Promise<Json> {
    const nowMs = this.#nowMs();
    for (const { prober } of this.#searched.values()) prober.hurry(nowMs);
    this.#soon();
    await new Promise((resolve) => setTimeout(resolve, COLLECT_MS));
    await this.#follow();
    const servers = this.#evidence.servers.map((server) =>
      serverFact(server, this.#lan?.interface, this.#epochOf)
    );
    return JSON.parse(JSON.stringify({ servers, modems: this.#rows() }));
  }

  async forget(name: string): Promise<void> {
    const link = this.#plan.links.find((link) => link.name === name);
    if (!link || link.present) throw cannotForget(name, link);
    // What is under way has an older memory in its hands.
    await this.#following;
    this.#memory = this.#memory.filter(({ id }) => id !== link.id);
    await this.#follow();
  }

  get #lan(): Lan | undefined {
    return this.ctx.network.current.lan;
  }

  get #freshMs(): number {
    return MISSED_WATCHES * this.ctx.config.watchSeconds * 1000;
  }

  #nowMs(): number {
    return this.ctx.clock.monotonicMs();
  }

  /** The same moment reads the same every time, or who follows the facts would take it for a new one; a clock that was set is followed. */
  #epochOf = (seenMs: number): number => {
    const apartMs = this.ctx.clock.now() - this.#nowMs();
    if (Math.abs(apartMs - this.#apartMs) > 1_000) this.#apartMs = apartMs;
    return Math.round(seenMs + this.#apartMs);
  };
  /** How far the wall clock is ahead of the one that never goes back. */
  #apartMs = 0;

  /** Replies to a renewal come to a port where nobody of ours listens by UDP; this keeps the kernel from refusing them. */
  #holdPort(): void {
    try {
      const fd = this.native.udpOpen({ host: ANY, port: CLIENT_PORT });
      this.ctx.defer(() => this.native.close(fd));
    } catch (error) {
      this.ctx.log.debug("Another DHCP client holds its port", { reason: String(error) });
    }
  }

  /** Links whose addresses an earlier run left in the kernel go on, as if their modems had just answered. */
  #resume(): void {
    for (const { mac, interface: on, own, slot, gateway, address, local } of this.#memory) {
      const device = this.#devices.find(({ name }) => name === (own ? on : `otb-wan${slot}`));
      const held = device?.addresses.some((cidr) => cidr.split("/")[0] === (local ?? address));
      if (held && this.#searched.has(on)) this.#evidence.noteStation(on, gateway, mac, this.#nowMs());
    }
  }

  #lookAtInterfaces(all: InterfaceFact[]): void {
    const { ignoreInterfaces } = this.ctx.config;
    const nowMs = this.#nowMs();
    this.#own = new Set(all.flatMap(({ mac }) => mac ? [mac] : []));
    const searched = new Map<string, Searched>();
    for (const device of all) {
      if (!isSearchable(device, this.#lan?.interface) || ignoreInterfaces.includes(device.name)) continue;
      const { name, index, carrier } = device;
      const asked = { mac: device.mac!, onLan: name === this.#lan?.interface };
      const former = this.#searched.get(name);
      const prober = former?.index === index
        ? former.prober
        : new Prober(asked, this.#strangerMac(), () => this.native.randomUint32());
      const was = former?.index === index && former.carrier;
      if (carrier && (!was || former.mac !== device.mac)) {
        prober.restart(asked, nowMs);
        this.#nextWatchMs = 0;
      }
      if (!carrier && was) this.#evidence.unplugged(name);
      searched.set(name, { name, index, mac: device.mac!, carrier, prober });
    }
    this.#searched = searched;
    this.#devices = all;
    this.#sockets.follow(new Map([...searched.values()].map(({ name, index }) => [name, index])));
    this.#soon();
  }

  #soon(): void {
    clearTimeout(this.#timer);
    if (!this.ctx.signal.aborted) this.#timer = setTimeout(() => this.#beat(), 0);
  }

  #beat(): void {
    if (this.ctx.signal.aborted) return;
    const nowMs = this.#nowMs();
    const everyMs = this.ctx.config.probeSeconds * 1000;
    for (const { name, index, mac, carrier, prober } of this.#searched.values()) {
      for (const frame of carrier ? prober.tick(nowMs, everyMs) : []) this.#sockets.send(name, frame);
      // Silence says something only of who was asked: others tell by this when that was.
      if (prober.roundMs === nowMs) {
        if (name !== this.#lan?.interface) this.#sockets.send(name, pppoeQuestion(mac, index));
        this.ctx.facts.publish(DHCP_PROBE, name, { interface: name, atMs: this.ctx.clock.now() });
      }
    }
    if (nowMs >= this.#nextWatchMs) this.#watch(nowMs);
    for (const { client, link } of this.#clients.values()) this.#send(link, client.tick(nowMs));
    this.#evidence.forget(nowMs, {
      serversMs: everyMs * MISSED_ROUNDS + COLLECT_MS,
      stationsMs: 4 * this.#freshMs,
      routersMs: ADVERTISED_MS,
    }, new Set(this.#searched.keys()));
    void this.#follow();
    const busy = [...this.#searched.values()].some(({ prober }) => prober.isCollecting(nowMs)) ||
      [...this.#clients.values()].some(({ client }) => client.dueMs - nowMs < 1_000);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#beat(), busy ? BEAT_MS : IDLE_BEAT_MS);
  }

  /** Asks every known gateway whether it is there. */
  #watch(nowMs: number): void {
    this.#nextWatchMs = nowMs + this.ctx.config.watchSeconds * 1000 * (0.9 + 0.2 * Math.random());
    for (const { name, mac, carrier } of this.#searched.values()) {
      if (!carrier) continue;
      for (const gateway of this.#gatewaysOn(name)) this.#sockets.send(name, arpProbe(mac, gateway));
    }
  }

  #gatewaysOn(device: string): string[] {
    return gatewaysToAsk({ servers: this.#evidence.servers, memory: this.#memory }, device);
  }

  #take(device: string, frame: Bytes): void {
    const port = this.#searched.get(device);
    if (!port || frame.length < 14) return;
    const nowMs = this.#nowMs();
    const from = readMac(frame, 6);
    // Another interface of this box on the same segment, or our own DHCP server.
    if (this.#own.has(from)) {
      for (const { name, mac } of this.#searched.values()) {
        if (mac === from && name !== device) this.#evidence.noteJoin(device, name, nowMs);
      }
      return;
    }
    const arp = parseArp(frame);
    if (arp) {
      if (arp.sender !== ANY) this.#heard(device, arp.sender, arp.senderMac, nowMs);
      return;
    }
    const advertisement = parseAdvertisement(frame);
    if (advertisement) return this.#evidence.noteAdvertisement(device, advertisement, nowMs);
    const offer = parsePppoeOffer(frame, port.index);
    if (offer) return this.#evidence.noteConcentrator(device, offer, nowMs);
    const datagram = parseUdp(frame);
    if (datagram?.fromPort !== SERVER_PORT || datagram.toPort !== CLIENT_PORT) return;
    const reply = decode(datagram.payload);
    if (!reply) return;
    if (port.prober.isAnswer(reply)) {
      this.#evidence.noteReply(device, reply, datagram.fromMac, nowMs);
      if (reply.router) this.#sockets.send(device, arpProbe(port.mac, reply.router));
      return;
    }
    for (const { client, link } of this.#clients.values()) {
      if (link.interface === device) this.#send(link, client.reply(reply, datagram.fromMac, nowMs));
    }
  }

  /** A station said that it has an address: a gateway that lives, or somebody with an address of ours. */
  #heard(device: string, address: string, mac: string, nowMs: number): void {
    if (this.#gatewaysOn(device).includes(address)) {
      if (this.#evidence.noteStation(device, address, mac, nowMs)) this.#soon();
    }
    for (const { client, link } of this.#clients.values()) {
      const near = link.interface === device || this.#lan?.interface === device;
      if (near && mac !== link.deviceMac) this.#send(link, client.conflict(address, nowMs));
    }
  }

  #send(link: PlannedLink, messages: Outgoing[]): void {
    const lan = this.#lan;
    for (const outgoing of messages) {
      this.#sockets.send(link.interface, frameOf(link, outgoing));
      // A modem on a port may have the LAN's subnet: the link's address must not hide a device there.
      if (outgoing.kind === "arp-probe" && lan && !link.onLan && isInside(outgoing.address, lan.address)) {
        const port = this.#searched.get(lan.interface);
        if (port) this.#sockets.send(port.name, arpProbe(port.mac, outgoing.address));
      }
    }
    if (messages.length > 0) this.#soon();
  }

  /** Plans anew and makes clients, claims and facts follow; a call while one is under way shares it. */
  #follow(): Promise<void> {
    return this.#following ??= (async () => {
      try {
        this.#decide();
        await this.#claim(this.#plan.links);
        if (this.ctx.signal.aborted) return;
        this.#tell();
        await this.#store();
      } catch (error) {
        if (!this.ctx.signal.aborted) {
          this.ctx.log.error("Cannot follow what was found", { reason: String(error) });
        }
      } finally {
        this.#following = undefined;
      }
    })();
  }

  #decide(): void {
    const { ctx } = this;
    const nowMs = this.#nowMs();
    const addresses = new Map(this.#devices.map((device) => [device.name, device.addresses]));
    this.#plan = plan({
      nowMs,
      epochMs: ctx.clock.now(),
      freshMs: this.#freshMs,
      lan: this.#lan,
      ports: [...this.#searched.values()].map(({ name, mac, carrier }) => ({
        ...{ name, mac, carrier },
        addresses: (addresses.get(name) ?? []).filter((cidr) => !cidr.includes(":")),
      })),
      servers: this.#evidence.servers,
      stations: this.#evidence.stations,
      joins: this.#evidence.joins,
      memory: this.#memory,
      configured: configuredLinks(ctx.links.current),
      unheard: new Set([...this.#clients].flatMap(([id, { client }]) => client.isUnheard ? [id] : [])),
      clashing: new Set([...this.#clients].flatMap(([id, { client }]) => client.clashes ? [id] : [])),
      wishes: ctx.config.modems,
    });
    this.#memory = this.#plan.memory;
    this.#employ(nowMs);
  }

  /** A DHCP client for every link that needs an address of its own; one out of sight keeps its client. */
  #employ(nowMs: number): void {
    const planned = new Map(
      this.#plan.links.filter(({ lanAddress, away }) => !lanAddress && !away).map((link) => [link.id, link]),
    );
    for (const [id, { client, link }] of this.#clients) {
      const next = planned.get(id);
      const same = next && next.interface === link.interface && next.deviceMac === link.deviceMac &&
        next.gateway === link.gateway;
      if (same) continue;
      if (this.ctx.config.modems[link.mac]?.ignore) this.#send(link, client.release());
      this.#clients.delete(id);
    }
    for (const [id, link] of planned) {
      const known = this.#clients.get(id);
      if (known) {
        known.link = link;
        if (link.present) known.client.retarget(link.server, nowMs);
      } else if (link.present) {
        const { deviceMac, server, former } = link;
        const client = new LeaseClient(
          { mac: deviceMac, server, former },
          (address) => this.#isTaken(address, id),
          Math.random,
          (address) => this.#isOtherLinks(address, id),
        );
        if (former && this.#isHere(former, link.device)) client.resume(former);
        this.#clients.set(id, { client, link });
        this.#send(link, client.tick(nowMs));
      }
    }
  }

  /** Whether the kernel has the address on that device already. */
  #isHere(grant: Grant, device: string): boolean {
    return this.#devices.some(({ name, addresses }) =>
      name === device && addresses.some((cidr) => cidr.split("/")[0] === usedOf(grant))
    );
  }

  /** Whether an address is another found link's. */
  #isOtherLinks(address: string, id: string): boolean {
    return [...this.#clients].some(([other, { client }]) => other !== id && client.claimed === address);
  }

  /** Whether an address is in use by this box for something else, or by what was found. */
  #isTaken(address: string, id: string): boolean {
    return this.#lan?.address.split("/")[0] === address ||
      // What is for the peer would stay on this box.
      this.ctx.network.current.peers.some((peer) => peer.address === address) ||
      this.#isOtherLinks(address, id) ||
      this.#memory.some(({ gateway }) => gateway === address) ||
      this.#evidence.servers.some(({ server, router }) => server === address || router === address) ||
      this.ctx.links.current.some(({ name, observed }) =>
        observed.address === address && !this.#plan.links.some((link) => link.name === name)
      );
  }

  async #claim(links: PlannedLink[]): Promise<void> {
    // What was refused is asked for again, but not with every beat.
    if (this.#nowMs() < this.#refusedUntilMs) return;
    const wishes = allResources([...this.#searched.values()], this.#lan, links, this.#grantOf);
    for (const key of this.#claimed.keys()) if (!wishes.has(key)) wishes.set(key, []);
    // What goes makes room for what comes.
    const order = [...wishes].sort(([, a], [, b]) => Math.sign(a.length) - Math.sign(b.length));
    let refused: string | undefined;
    for (const [key, resources] of order) {
      const text = JSON.stringify(resources);
      if ((this.#claimed.get(key) ?? "[]") === text) continue;
      try {
        await this.ctx.claim(key, resources);
        if (resources.length > 0) this.#claimed.set(key, text);
        else this.#claimed.delete(key);
      } catch (error) {
        refused = (error as Error).message;
      }
    }
    if (refused === undefined) return this.ctx.health.clear("link-refused");
    this.#refusedUntilMs = this.#nowMs() + REFUSED_MS;
    this.ctx.health.raise("link-refused", { reason: refused });
  }

  #grantOf = (link: PlannedLink): Grant | undefined =>
    this.#clients.get(link.id)?.client.held ?? (link.present ? undefined : link.former);

  #rows() {
    return modemRows(this.#plan.links, ({ id }) => this.#clients.get(id)?.client);
  }

  #tell(): void {
    const { ctx } = this;
    const { links } = this.#plan;
    const lan = this.#lan?.interface;
    const evidence = this.#evidence;
    const found = facts({ links, evidence, lan, grantOf: this.#grantOf, epochOf: this.#epochOf });
    ctx.facts.publishAll(LINK, found.links);
    ctx.facts.publishAll(DHCP_SERVER, found.servers);
    ctx.facts.publishAll(ROUTER_ADVERTISEMENT, found.routers);

    const clashing = [...this.#clients.values()].filter(({ client }) => client.clashes);
    const conditions = [
      ...this.#plan.conditions,
      ...maskCondition(links, this.#grantOf),
      ...clashCondition(clashing.map(({ link }) => link)),
      ...floodConditions(evidence),
      ...pppoeConditions(evidence),
      ...oddConditions(this.#devices, new Set(ctx.links.current.map((link) => link.interface))),
    ];
    for (const condition of conditions) ctx.health.raise(...condition);
    const codes = new Set(conditions.map(([code]) => code));
    for (const code of this.#raised) if (!codes.has(code)) ctx.health.clear(code);
    this.#raised = codes;
    ctx.publishStatus({ modems: this.#rows(), servers: evidence.servers.length });
  }

  async #store(): Promise<void> {
    this.#memory = this.#memory.map((entry) => {
      const held = this.#clients.get(entry.id)?.client.held;
      return held ? { ...entry, address: held.address, local: held.local } : entry;
    });
    const text = JSON.stringify(this.#memory);
    if (text === this.#stored) return;
    await this.ctx.store.keep("modems", JSON.parse(text));
    this.#stored = text;
  }

  /** A locally administered Ethernet address that nobody has. */
  #strangerMac(): string {
    const bytes = this.native.random(new Uint8Array(6));
    bytes[0] = bytes[0]! & 0xfc | 0x02;
    return readMac(bytes, 0);
  }
}

// Looks for modems on every interface, over and over, and follows each that it finds.
import type { Context, View } from "../../core/plugin.ts";
import type { Native } from "../../core/native/ffi.ts";
import type { Config } from "./config.ts";
import type { Message, MessageType } from "./dhcp.ts";
import { candidates } from "./interfaces.ts";
import { prefixOf, usable } from "./lease.ts";
import { planLinks } from "./links.ts";
import { Modem, type Remembered } from "./modem.ts";
import { Ether, type Heard, Segment } from "./segment.ts";

/** A new segment is asked after these waits, then as the settings say; a slow modem boots in between. */
const FIRST_PROBES_MS = [0, 3_000, 10_000, 25_000];
/** Servers remembered on one segment: a flood of invented ones fills no memory. */
const MAX_SERVERS = 16;
/** A server that was not heard this many probes long is no longer told of. */
const FORGOTTEN_PROBES = 3;
/** An address that nobody can have: a server that says no to it has shown itself, and gave nothing. */
const IMPOSSIBLE_ADDRESS = "169.254.255.254";

/** A DHCP server as it was heard. */
interface Server {
  mac: string;
  server: string;
  router?: string;
  network?: string;
  vendor?: string;
  lastSeenMs: number;
}

/** An interface that is asked. */
interface Place {
  segment: Segment;
  servers: Map<string, Server>;
  modems: Map<string, Modem>;
  probes: number;
  timer?: ReturnType<typeof setTimeout>;
  /** Transactions of probes, which take no lease. */
  xids: Set<number>;
}

/** Everything the plugin does. */
export class Finder {
  readonly #ether: Ether;
  readonly #places = new Map<string, Place>();
  /** A client that is nobody: servers that know our MAC may answer otherwise than to a stranger. */
  readonly #strangerMac = randomMac();
  #names = new Map<string, string>();
  #remembered = new Map<string, Remembered>();
  #published = new Set<string>();
  #told = new Set<string>();
  #applying: Promise<void> = Promise.resolve();

  constructor(private readonly ctx: Context<Config>, native: Native) {
    this.#ether = new Ether(native);
  }

  async start(): Promise<void> {
    const { ctx } = this;
    this.#names = new Map(Object.entries(await ctx.store.get<{ [mac: string]: string }>("names") ?? {}));
    const remembered = await ctx.store.get<
      { [mac: string]: Remembered & { [key: string]: string | number } }
    >(
      "modems",
    );
    this.#remembered = new Map(Object.entries(remembered ?? {}));
    const unsubscribe = [ctx.interfaces, ctx.links, ctx.network].map((view) =>
      (view as View<unknown>).subscribe(() => this.#watch())
    );
    ctx.defer(async () => {
      for (const stop of unsubscribe) stop();
      for (const name of [...this.#places.keys()]) this.#leave(name);
      await this.#ether.close();
    });
    this.#watch();
  }

  /** Asks everywhere at once. */
  probe(): void {
    for (const place of this.#places.values()) this.#ask(place);
  }

  /** Opens segments that have come, closes those that went. */
  #watch(): void {
    const { ctx } = this;
    const there = candidates(ctx.interfaces.current, [...ctx.config.ignoreInterfaces, ...this.#configured()]);
    const usable = new Map(there.filter(({ carrier }) => carrier).map((device) => [device.name, device]));
    for (const [name, { segment }] of [...this.#places]) {
      if (usable.get(name)?.mac !== segment.mac) this.#leave(name);
    }
    for (const { name, mac } of usable.values()) if (!this.#places.has(name)) this.#enter(name, mac);
    // What is off can't have a carrier: all that is no other link's is switched on.
    const off = there.map(({ name }) => name).filter((name) => name !== ctx.network.current.lan?.interface);
    void ctx.claim("interfaces", off.map((name) => ({ kind: "interfaceState", interface: name, up: true })))
      .catch((error) => ctx.log.warn("Cannot switch interfaces on", { reason: String(error) }));
  }

  /** Interfaces of links that a person set: they are that person's. */
  #configured(): string[] {
    return this.ctx.links.current.filter(({ found }) => !found).map((link) => link.interface);
  }

  #enter(name: string, mac: string): void {
    let place: Place;
    try {
      const segment = new Segment(this.#ether, name, mac, (heard) => this.#hear(place, heard));
      place = { segment, servers: new Map(), modems: new Map(), probes: 0, xids: new Set() };
    } catch (error) {
      return this.ctx.log.warn(`Cannot listen on ${name}`, { reason: String(error) });
    }
    this.#places.set(name, place);
    this.ctx.log.info(`Looking for modems on ${name}`);
    this.#ask(place);
    // Modems of earlier that may have their server switched off by now: no probe would find them.
    for (const remembered of this.#remembered.values()) {
      if (place.modems.size < MAX_SERVERS) this.#follow(place, remembered.mac, remembered.server, remembered);
    }
  }

  #leave(name: string): void {
    const place = this.#places.get(name)!;
    this.#places.delete(name);
    clearTimeout(place.timer);
    for (const modem of place.modems.values()) modem.abandon();
    place.segment.close();
    this.#publish();
  }

  /** One probe: three ways to make a server speak, none of which takes an address. */
  #ask(place: Place): void {
    clearTimeout(place.timer);
    place.xids.clear();
    const say = (type: MessageType, clientMac: string, parts: Partial<Message> = {}) => {
      const xid = crypto.getRandomValues(new Uint32Array(1))[0]!;
      place.xids.add(xid);
      place.segment.send({ from: "client", type, xid, broadcast: true, clientMac, ...parts });
    };
    say("discover", this.#strangerMac);
    say("discover", place.segment.mac);
    say("request", this.#strangerMac, { requestedAddress: IMPOSSIBLE_ADDRESS });
    const waitMs = FIRST_PROBES_MS[++place.probes] ?? this.ctx.config.probeSeconds * 1000;
    const blurred = waitMs * (0.9 + Math.random() * 0.2);
    place.timer = setTimeout(() => this.#ask(place), blurred);
    this.#publishServers();
  }

  #hear(place: Place, heard: Heard): void {
    const { message, stationMac } = heard;
    for (const modem of place.modems.values()) modem.hear(heard);
    if (!place.xids.has(message.xid) || !usable(message.serverId)) return;
    const server = message.serverId!;
    const own = this.ctx.network.current.lan?.address.split("/")[0];
    if (server === own) return;
    const key = `${stationMac} ${server}`;
    const former = place.servers.get(key);
    if (!former && place.servers.size >= MAX_SERVERS) return this.#tellFlood(place);
    const router = message.routers?.find(usable);
    const seen: Server = {
      mac: stationMac,
      server,
      router: router ?? former?.router,
      network: networkOf(message) ?? former?.network,
      vendor: message.vendorClass ?? former?.vendor,
      lastSeenMs: this.ctx.clock.now(),
    };
    place.servers.set(key, seen);
    if (!former) this.#publishServers();
    // A server without a router is for a LAN, and one that names us as the router is not a way out.
    if (message.type !== "offer" || !router || router === own) return;
    this.#follow(place, stationMac, server, this.#remembered.get(stationMac));
  }

  #follow(place: Place, mac: string, server: string, remembered: Remembered | undefined): void {
    const former = place.modems.get(mac);
    if (former?.server === server) return;
    // The same station under another address: it was renumbered.
    former?.abandon();
    place.modems.set(
      mac,
      new Modem(
        place.segment,
        mac,
        server,
        this.ctx.clock,
        remembered?.server === server ? remembered : undefined,
        () => this.#publish(),
      ),
    );
  }

  /** Tells of the links that are there, after the kernel has what they need. */
  #publish(): void {
    this.#applying = this.#applying.then(() => this.#apply()).catch((error) =>
      this.ctx.log.error("Cannot set up the links that were found", { reason: String(error) })
    );
  }

  async #apply(): Promise<void> {
    const { ctx } = this;
    const attachments = [...this.#places.values()].flatMap(({ modems }) =>
      [...modems.values()].flatMap(({ attachment }) => attachment ?? [])
    );
    // A modem that moved is there twice for a moment: the lease proves where it is.
    const byMac = new Map(attachments.map((attachment) => [attachment.mac, attachment]));
    for (const attachment of attachments) {
      if (attachment.source === "lease") byMac.set(attachment.mac, attachment);
    }
    const taken = new Set(
      ctx.links.current.filter(({ found }) => !found).map(({ name }) => name),
    );
    const plan = planLinks(
      [...byMac.values()],
      this.#names,
      ctx.config.modems,
      taken,
      ctx.network.current.lan,
    );
    await ctx.claim("links", plan.resources);
    for (const [name, link] of plan.links) ctx.facts.publish(`link/${name}`, link);
    for (const name of this.#published) {
      if (!plan.links.has(name)) ctx.facts.publish(`link/${name}`, undefined);
    }
    for (const name of plan.links.keys()) {
      if (!this.#published.has(name)) ctx.log.info(`Link "${name}" found`, { ...plan.links.get(name) });
    }
    for (const name of this.#published) if (!plan.links.has(name)) ctx.log.warn(`Link "${name}" is gone`);
    this.#published = new Set(plan.links.keys());
    if (plan.refused[0]) {
      ctx.health.raise({
        code: "modem-refused",
        severity: "warning",
        message: plan.refused.map(({ message }) => message).join("; "),
        next: "Give one of the modems another network in its settings.",
      });
    } else ctx.health.clear("modem-refused");
    await this.#remember(plan.names, [...byMac.values()]);
    ctx.publishStatus({ links: [...plan.links].map(([name, link]) => ({ name, ...link })) });
  }

  async #remember(names: ReadonlyMap<string, string>, attachments: Remembered[]): Promise<void> {
    const merged = new Map([...this.#names, ...names]);
    if (JSON.stringify([...merged]) !== JSON.stringify([...this.#names])) {
      this.#names = merged;
      await this.ctx.store.set("names", Object.fromEntries(merged));
    }
    const before = JSON.stringify([...this.#remembered]);
    for (const { mac, server, address, prefixLength, gateway } of attachments) {
      this.#remembered.delete(mac);
      this.#remembered.set(mac, { mac, server, address, prefixLength, gateway });
    }
    while (this.#remembered.size > MAX_SERVERS) {
      this.#remembered.delete(this.#remembered.keys().next().value!);
    }
    if (JSON.stringify([...this.#remembered]) === before) return;
    await this.ctx.store.set(
      "modems",
      Object.fromEntries([...this.#remembered].map(([mac, modem]) => [mac, { ...modem }])),
    );
  }

  #publishServers(): void {
    const { ctx } = this;
    const oldMs = ctx.clock.now() - FORGOTTEN_PROBES * ctx.config.probeSeconds * 1000;
    const told = new Set<string>();
    for (const [name, { servers }] of this.#places) {
      for (const [key, server] of servers) {
        if (server.lastSeenMs < oldMs) {
          servers.delete(key);
          continue;
        }
        const fact = `dhcp-server/${server.mac}`;
        told.add(fact);
        ctx.facts.publish(fact, {
          ...server,
          interface: name,
          onLan: name === ctx.network.current.lan?.interface,
        });
      }
    }
    for (const fact of this.#told) if (!told.has(fact)) ctx.facts.publish(fact, undefined);
    this.#told = told;
  }

  #tellFlood({ segment }: Place): void {
    this.ctx.health.raise({
      code: "dhcp-servers-flood",
      severity: "warning",
      message:
        `More than ${MAX_SERVERS} DHCP servers answer on ${segment.name}: only the first are looked at`,
      next: "Somebody there invents servers, or a network is looped: unplug devices one by one.",
    });
  }
}

/** The network that an offer is for, CIDR. */
function networkOf({ yourAddress, subnetMask }: Message): string | undefined {
  const length = prefixOf(subnetMask);
  if (!yourAddress || length === undefined) return undefined;
  const mask = subnetMask!.split(".").map(Number);
  return `${yourAddress.split(".").map((part, index) => Number(part) & mask[index]!).join(".")}/${length}`;
}

/** Locally administered, unicast (IEEE 802 section 8). */
function randomMac(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(6));
  bytes[0] = bytes[0]! & 0xfc | 0x02;
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(":");
}

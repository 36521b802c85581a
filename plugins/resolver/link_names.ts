// Names for devices that are pinned to a link: what only that operator knows is asked of the link's own resolver, over the link; what
// it does not know, such as names of the LAN, of the box as usual.
import {
  type Context,
  LINK,
  LINK_RESOLVER,
  LINK_WAY,
  type LinkFact,
  type LinkResolverFact,
  type LinkWayFact,
  LISTENS,
  type ListensFact,
  type View,
} from "@otb/plugin";
import type { Config } from "./config.ts";
import { askLink, type LinkServers } from "./link_way.ts";
import { listen, type Listening } from "./listen.ts";
import { DOUBTED_AFTER } from "./race.ts";
import { isUnicast4, OUTSIDE_HOME4, OUTSIDE_HOME6, Rebinding } from "./rebinding.ts";
import { connector } from "./upstream.ts";
import { Way } from "./way.ts";
import { failure, type Query, Rcode, rcodeOf } from "./wire.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const DNS_PORT = 53, MOST_SERVERS = 2, BOX_MS = 2_000;

/** Answers for one link. */
export class LinkNames {
  /** Questions in a row that the link's resolver let go by. */
  #missed = 0;

  /**
   * @param own asks the link's resolver; undefined when that says nothing
   * @param box asks the box as everybody does. @throws Error when it says nothing
   * @param guard takes away what the link's answers must not lead to
   */
  constructor(
    private readonly own: (query: Query) => Promise<Bytes | undefined>,
    private readonly box: (query: Query) => Promise<Bytes>,
    private readonly guard: (query: Query, response: Bytes) => Bytes,
  ) {}

  /** The answer. A name that the operator does not know may be the box's; who is silent is not waited for again and again. */
  async ask(query: Query): Promise<Bytes> {
    const isDoubted = this.#missed >= DOUBTED_AFTER;
    const asking = this.own(query).then((response) => {
      this.#missed = response ? 0 : this.#missed + 1;
      return response && this.guard(query, response);
    });
    const first = isDoubted ? undefined : await asking;
    if (isFound(first)) return first;
    const other = await this.box(query).catch(() => undefined);
    if (isFound(other)) return other;
    // Nobody else knows what only that operator does: its silence is no reason to deny the name.
    return await asking ?? (isDoubted && other ? other : failure(query, Rcode.serverFailure));
  }
}

function isFound(response: Bytes | undefined): response is Bytes {
  return response !== undefined && rcodeOf(response) === Rcode.noError;
}

/** The resolvers of a link that may be asked: what its modem told, or the modem itself; never the LAN or this box. */
export function serversOf(told: string[] | undefined, gateway: string | undefined, own: string[]): string[] {
  const home = new Rebinding([], OUTSIDE_HOME4, OUTSIDE_HOME6);
  home.own = own;
  const usable = [...new Set(told ?? [])].filter((server) => isUnicast4(server) && !home.isLocalText(server));
  return usable.length > 0 ? usable.slice(0, MOST_SERVERS) : gateway && isUnicast4(gateway) ? [gateway] : [];
}

/** Serves every link that has a resolver, on a port of the LAN's address each, and says where. */
export class LinkListeners {
  readonly #ways: View<ReadonlyMap<string, LinkWayFact>>;
  readonly #found: View<ReadonlyMap<string, LinkFact>>;
  readonly #open = new Map<string, { key: string; listening: Listening; fact: LinkResolverFact }>();
  readonly #guard: Rebinding;
  #box: { address: string; way: Way } | undefined;
  #work: Promise<void> = Promise.resolve();

  constructor(private readonly ctx: Context<Config>) {
    this.#ways = ctx.facts.watch(LINK_WAY);
    this.#found = ctx.facts.watch(LINK);
    // An operator's own network is private, as often as not; the house is not its matter.
    this.#guard = new Rebinding(ctx.config.localDomains, OUTSIDE_HOME4, OUTSIDE_HOME6);
    for (const view of [this.#ways, this.#found, ctx.links, ctx.network]) {
      ctx.defer(view.subscribe(() => this.follow()));
    }
    ctx.defer(() => {
      for (const name of [...this.#open.keys()]) this.#close(name);
      this.#box?.way.close();
    });
  }

  /** What no answer may lead to. */
  set own(cidrs: string[]) {
    this.#guard.own = cidrs;
  }

  /** Opens what is missing and closes what is over; also tries again what could not be opened. */
  follow(): void {
    this.#work = this.#work.then(() => this.#follow()).catch((error) =>
      this.ctx.log.warn("Cannot answer for a link", { reason: String(error) })
    );
  }

  async #follow(): Promise<void> {
    const { ctx } = this;
    if (ctx.signal.aborted) return;
    const lan = ctx.network.current.lan?.address;
    const wanted = new Map<string, LinkServers & { port: number; lan: string }>();
    for (const { link, source, mark } of lan ? this.#ways.current.values() : []) {
      if (source.includes(":")) continue;
      const { observed } = ctx.links.current.find(({ name }) => name === link) ?? {};
      const told = this.#found.current.get(link)?.resolvers;
      const servers = serversOf(told, observed?.gateway, [lan!, source]);
      if (servers.length === 0) continue;
      wanted.set(link, { source, servers, port: ctx.config.port + (mark >> 8), lan: lan!.split("/")[0]! });
    }
    for (const [name, { key }] of this.#open) {
      const want = wanted.get(name);
      if (!want || JSON.stringify(want) !== key) this.#close(name);
    }
    for (const [name, want] of wanted) {
      if (this.#open.has(name)) continue;
      const names = new LinkNames(
        (query) => askLink(query, want, ctx.signal),
        (query) => this.#boxWay(want.lan).ask(query, AbortSignal.timeout(BOX_MS)),
        (query, response) => this.#guard.guard(query, response),
      );
      // The LAN's address may come a moment later than the link: the next look tries again.
      const listening = await listen(want.port, (query) => names.ask(query), want.lan).catch(() => undefined);
      if (!listening) continue;
      const fact: LinkResolverFact = { link: name, port: want.port, servers: want.servers };
      this.#open.set(name, { key: JSON.stringify(want), listening, fact });
    }
    this.#tell();
  }

  #tell(): void {
    const { facts, name } = this.ctx;
    const open = new Map([...this.#open].map(([link, { fact }]) => [link, fact]));
    const services: ListensFact["services"] = [...open.values()].flatMap(({ port }) =>
      (["udp", "tcp"] as const).map((protocol) => ({ protocol, port, zones: ["lan" as const] }))
    );
    facts.publish(LISTENS, name, { services });
    facts.publishAll(LINK_RESOLVER, open);
  }

  /** Who answers the LAN on the box: with its own names, and the rest through the bond. */
  #boxWay(address: string): Way {
    if (this.#box?.address !== address) {
      this.#box?.way.close();
      const way = new Way("box", connector({ address, port: DNS_PORT }, () => undefined, true));
      this.#box = { address, way };
    }
    return this.#box.way;
  }

  #close(name: string): void {
    this.#open.get(name)?.listening.close();
    this.#open.delete(name);
    this.ctx.facts.publish(LINK_RESOLVER, name, undefined);
  }
}

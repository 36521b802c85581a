// The plugin: on the box it carries the LAN's TCP to the peer, in the cloud it is that peer.
import { ADDRESS_BYTES, openNative } from "../../core/native/ffi.ts";
import {
  BOXES,
  CLOCK,
  CONGESTION,
  type Context,
  definePlugin,
  DEVICE_PRIORITY,
  DOMAIN_HITS,
  DOMAIN_RULES,
  FIRST_PATH,
  INTERFACE,
  isRange,
  MARK,
  OtbError,
  PATH,
  PEER,
  PROXY_TARGET,
  type Raised,
  readBoxes,
  readKey,
  type Resource,
  SOCKS5,
} from "@otb/plugin";
import { Boxes } from "./peer/boxes.ts";
import { type Config, config } from "./config.ts";
import { connectionsWithin, ENOUGH_DESCRIPTORS } from "./relay/descriptors.ts";
import { drained } from "./peer/drain.ts";
import { probePeer } from "./box/peer_probe.ts";
import { Sip004Server } from "./peer/sip004_server.ts";
import { publish } from "./publish.ts";
import { Reactor } from "./relay/reactor.ts";
import { Shares } from "./box/shares.ts";
import { Sniffer } from "./box/sniffer.ts";
import { Salts } from "./wire/salts.ts";
import { rememberSeen } from "./peer/last_seen.ts";
import { serveCounters, Server } from "./peer/server.ts";
import { Identity } from "./wire/sip023.ts";
import { LINK_LOGIN, Socks5 } from "./box/socks5.ts";
import { StandIn } from "./box/stand_in.ts";
import { Targets } from "./peer/targets.ts";
import type { CongestionWish } from "./transport/striped/line.ts";
import { MptcpTransport, order } from "./transport/transport.ts";
import { Outbound, outboundCounters } from "./box/outbound.ts";
import { tellHeld } from "./held_facts.ts";
import { flowLimits } from "./box/flow_limits.ts";
import { LanSocks5 } from "./box/lan_socks5.ts";
import { LanTcp } from "./box/lan_tcp.ts";
import { serves } from "./serves.ts";
import { type Words, words } from "./texts/mod.ts";

/** How long the peer has to answer when it is asked whether it does. */
const PROBE_MS = 2_000;
/** So many connections in a row must end without an answer before a person is told; one may be a peer that restarts. */
const UNANSWERED_TOLD = 2;
/** How long it is told that a box had too much. */
const FULL_TOLD_MS = 60_000;

export default definePlugin({
  config,
  words,
  check(next, { network }) {
    const bad = next.allowTargets.find((range) => !isRange(range));
    if (bad !== undefined) {
      return [{
        code: "range-invalid",
        path: "allowTargets",
        message: `Cannot use a range as it must be an address with its length: current value is "${bad}"`,
      }];
    }
    if (network.role === "cloud" && next.socks5.enabled) {
      return [{
        code: "socks5-in-cloud",
        path: "socks5.enabled",
        message: "Cannot offer SOCKS5 as only a box has a LAN: current value is a cloud",
      }];
    }
    return [];
  },
  claims: ({ intercept, flowsPerDevice }, { network: { role, lan } }): { [key: string]: Resource[] } =>
    role === "box" ? { flows: intercept.enabled ? flowLimits(lan?.interface, flowsPerDevice) : [] } : {},
  async start(ctx): Promise<{ take: Take }> {
    const native = openNative();
    const reactor = new Reactor(native);
    const now = () => Math.floor(ctx.clock.now() / 1000);
    const turning = reactor.run();
    ctx.defer(async () => {
      reactor.stop();
      await turning;
    });
    const parts = { ctx, native, reactor, now };
    const take = await (ctx.role === "box" ? startBox(parts) : startCloud(parts));
    return { take };
  },
  reload: ({ take }, next) => take(next),
});

/** Takes new settings: what is carried goes on. */
type Take = (next: Config) => void | Promise<void>;

interface Parts {
  ctx: Context<Config, Words>;
  native: ReturnType<typeof openNative>;
  reactor: Reactor;
  now(): number;
}

async function startBox({ ctx, native, reactor, now }: Parts): Promise<Take> {
  const counters = outboundCounters();
  const startedMs = ctx.clock.now();
  const [peer] = ctx.network.current.peers;
  if (!peer) {
    throw new OtbError("peer-missing", "Cannot carry anything as no peer is known", 'Run "otb init box".');
  }
  const firstPath = ctx.facts.watch(FIRST_PATH);
  const choices = () => firstPath.current?.choices ?? [];
  const clock = ctx.facts.watch(CLOCK);
  const transport = new MptcpTransport(native, peer);
  const interfaces = ctx.facts.watch(INTERFACE);
  /** The MAC address of who has an address (a record) on the LAN. */
  const deviceOf = (address: Uint8Array<ArrayBuffer>) => {
    const index = interfaces.current.get(ctx.network.current.lan?.interface ?? "")?.index;
    return index === undefined ? undefined : native.neighbour(address, index);
  };
  const priorities = ctx.facts.watch(DEVICE_PRIORITY);
  const client = new Uint8Array(ADDRESS_BYTES);
  const markOf = (fd: number) => {
    const { high = [], low = [] } = priorities.current ?? {};
    if (high.length + low.length === 0 || native.remoteAddress(fd, client) < 0) return 0;
    const mac = deviceOf(client);
    if (mac === undefined) return 0;
    return high.includes(mac) ? MARK.high : low.includes(mac) ? MARK.low : 0;
  };
  const psk = readKey(ctx.secret("psk"), "psk"), peerKey = peerKeyOf(ctx);
  const identity = peerKey && new Identity(native, peerKey, psk);
  const paths = ctx.facts.watch(PATH);
  const ways = () => {
    const fact = firstPath.current;
    if (fact?.transport !== "striped") return [];
    // A backup that stands in for the others is a choice with a weight.
    return fact.choices.filter(({ link, weight }) =>
      weight > 0 || paths.current.get(link)?.state === "active"
    );
  };
  const most = mostConnections(native), congestion = congestionWish(ctx);
  const peers = ctx.facts.watch(PEER);
  const isCutOff = () => peers.current.get(peer.name)?.state === "unknown";
  const outbound = new Outbound({
    ...{ native, reactor, transport, psk, identity, now, choices, markOf, counters, ways, most },
    ...{ isCutOff, congestion },
  });
  ctx.defer(() => outbound.close());
  ctx.defer(firstPath.subscribe(() => outbound.waysChanged()));
  ctx.defer(paths.subscribe(() => outbound.waysChanged()));

  const shares = new Shares(ctx, () => most - outbound.joined / 2, deviceOf);
  const { devices } = shares;

  const domainRules = ctx.facts.watch(DOMAIN_RULES);
  const hits = new Map<string, number>();
  const sniffer = new Sniffer({
    ...{ native, reactor, outbound, counters },
    rules: () => domainRules.current?.rules ?? [],
    deviceOf,
    onHit: (rule) => hits.set(rule, (hits.get(rule) ?? 0) + 1),
  });

  // For this box's own plugins: who gets in here is on this machine already.
  const ownProxy = new Socks5(native, reactor, outbound, "127.0.0.1", 0, LINK_LOGIN);
  ctx.defer(() => ownProxy.close());
  ctx.facts.publish(SOCKS5, { address: "127.0.0.1", port: ownProxy.port });

  const standIn = new StandIn({
    ...{ ctx, counters, peer: peer.name, interfaces },
    ask: () => probePeer({ native, reactor, transport }, order(choices(), 0), PROBE_MS),
  });
  const lanSocks5 = new LanSocks5(ctx, { native, reactor, outbound, devices });
  ctx.defer(() => lanSocks5.close());
  const lanTcp = new LanTcp({ ctx, native, reactor, sniffer, devices, standIn });
  const take: Take = async (next) => {
    await shares.take(next);
    lanSocks5.take(next.socks5);
    await lanTcp.take(next.intercept);
  };
  await take(ctx.config);
  publish(ctx, () => {
    tellHeld(ctx, outbound.heldLinks);
    const { unreachable, unanswered, lastError, ...counts } = counters;
    const { address, port } = peer;
    told(ctx, unreachable > 0, "peer-unreachable", { address, port, reason: lastError });
    // Why it does not answer, as far as the box can tell.
    const isClockWrong = clock.current?.state === "wrong";
    told(ctx, unanswered >= UNANSWERED_TOLD, "peer-rejects", {
      why: words.phrase(isClockWrong ? "clock-wrong" : "rejected"),
      advice: words.phrase(isClockWrong ? "set-clock" : "compare"),
    });
    shares.tell();
    if (hits.size > 0) {
      ctx.facts.publish(DOMAIN_HITS, { since: startedMs, rules: Object.fromEntries(hits) });
    }
    // An older peer, or one that is only a Shadowsocks server.
    told(ctx, outbound.transport === "unknown-to-peer", "striping-unknown");
    return { ...counts, transport: outbound.transport, way: standIn.way };
  });
  return take;
}

/** The congestion control that a person wants of what is sent. */
function congestionWish(ctx: Context<Config>): () => CongestionWish {
  const told = ctx.facts.watch(CONGESTION);
  return () => told.current?.wish ?? "auto";
}

async function startCloud({ ctx, native, reactor, now }: Parts): Promise<Take> {
  const counters = serveCounters();
  const salts = new Salts(ctx.directory, () => ctx.clock.now());
  ctx.defer(() => salts.close());
  const targets = new Targets(ctx.config.allowTargets);
  const [self] = ctx.network.current.peers;
  // What boxes dial may be another address than any of this machine's (1:1 NAT): it leads back here all the same.
  const lookAtOwn = () => {
    const found = Deno.networkInterfaces().map(({ address }) => address.replace(/%.*/, ""));
    targets.setOwn([...found, ...ctx.network.current.peers.map(({ address }) => address)]);
  };
  lookAtOwn();
  const offered = ctx.facts.watch(PROXY_TARGET);
  targets.setOffered([...offered.current.values()]);
  ctx.defer(offered.subscribe((facts) => targets.setOffered([...facts.values()])));
  const timer = setInterval(lookAtOwn, 10_000);
  ctx.defer(() => clearInterval(timer));
  const most = mostConnections(native), congestion = congestionWish(ctx);
  const boxes = new Boxes(native, most);
  const settings = { native, reactor, boxes, salts, targets, now, counters, most, congestion };
  // Releases run in reverse: nothing new is taken, what flows comes to its end, what is left is reset.
  let server: Server | undefined = undefined;
  ctx.defer(() => server?.end());
  ctx.defer(() => drained(counters));
  const sip004 = new Sip004Server(ctx.config.sip004, settings);
  const follow = () => {
    boxes.set(readBoxes(ctx.secret), peerKeyOf(ctx));
    sip004.follow();
  };
  follow();
  ctx.defer(() => sip004.close());
  ctx.defer(
    ctx.facts.watch(BOXES).subscribe(() => {
      try {
        follow();
        ctx.health.clear("boxes-refused");
      } catch (error) {
        ctx.health.raise("boxes-refused", { reason: (error as Error).message });
      }
    }),
  );
  await rememberSeen(ctx, boxes);
  server = new Server(settings, "0.0.0.0", self!.port);
  ctx.defer(() => server?.close());
  const listens = ({ sip004 }: Config) =>
    serves(ctx, "link", self!.port, ...sip004.enabled ? [sip004.port] : []);
  listens(ctx.config);
  publish(ctx, () => {
    const links = server?.heldLinks ?? [];
    tellHeld(ctx, { down: links.map((one) => ({ ...one, link: `${one.box}/${one.link}` })) });
    const { rejected, ...counts } = counters;
    told(ctx, !salts.isDurable, "salts-not-kept", { directory: ctx.directory });
    told(ctx, (rejected.time ?? 0) > 0, "clock-skew");
    const full = boxes.all.filter(({ refusedMs }) => performance.now() - refusedMs < FULL_TOLD_MS);
    told(ctx, full.length > 0, "box-full", {
      boxes: full.map(({ name }) => words.phrase("named", { name })),
    });
    told(ctx, sip004.isMissing, "sip004-box-missing", { box: ctx.config.sip004.box });
    return {
      ...counts,
      rejected,
      boxes: Object.fromEntries(boxes.all.map(({ name, places, total, refused, lastSeen }) => [name, {
        ...{ open: places.size, total, refused },
        ...lastSeen > 0 ? { lastSeenMs: lastSeen * 1000 } : {},
      }])),
    };
  });
  return (next) => {
    sip004.take(next.sip004);
    targets.setAllowed(next.allowTargets);
    listens(next);
  };
}

/** The peer's identity key (SIP023); undefined where nobody set one, on a peer or box of before each box had a key. */
function peerKeyOf({ secret }: Context<Config>): Uint8Array<ArrayBuffer> | undefined {
  try {
    return readKey(secret("peer-key"), "peer-key");
  } catch (error) {
    if (!(error instanceof OtbError) || error.code !== "secret-missing") throw error;
    return undefined;
  }
}

/** What fits into this process. */
function mostConnections(native: Parts["native"]): number {
  return connectionsWithin(native.descriptors(ENOUGH_DESCRIPTORS));
}

/** Raises or clears one condition. */
function told({ health }: Context<Config, Words>, holds: boolean, ...raised: Raised<Words>): void {
  if (holds) health.raise(...raised);
  else health.clear(raised[0]);
}

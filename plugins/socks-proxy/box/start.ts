// Starts the box's end, and publishes how it is.
import { ADDRESS_BYTES } from "../../../core/native/ffi.ts";
import {
  CLOCK,
  DEVICE_PRIORITY,
  DOMAIN_HITS,
  DOMAIN_RULES,
  FIRST_PATH,
  INTERFACE,
  MARK,
  OtbError,
  PATH,
  PEER,
  readKey,
  SOCKS5,
} from "@otb/plugin";
import { probePeer } from "./peer_probe.ts";
import { publish } from "../publish.ts";
import { Shares } from "./shares.ts";
import { Sniffer } from "./sniffer.ts";
import { Identity } from "../wire/sip023.ts";
import { LINK_LOGIN, Socks5 } from "./socks5.ts";
import { StandIn } from "./stand_in.ts";
import { MptcpTransport, order } from "../transport/transport.ts";
import { Outbound, outboundCounters } from "./outbound.ts";
import { tellHeld } from "../held_facts.ts";
import { LanSocks5 } from "./lan_socks5.ts";
import { LanTcp } from "./lan_tcp.ts";
import { words } from "../texts/mod.ts";
import { congestionWish, mostConnections, type Parts, peerKeyOf, raiseWhile, type Take } from "../start.ts";

/** How long the peer has to answer when it is asked whether it does. */
const PROBE_MS = 2_000;

/** So many connections in a row must end without an answer before a person is told; one may be a peer that restarts. */
const UNANSWERED_TOLD = 2;

/** Runs until the plugin stops. */
export async function startBox({ ctx, native, reactor, now }: Parts): Promise<Take> {
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
    raiseWhile(ctx, unreachable > 0, "peer-unreachable", { address, port, reason: lastError });
    // Why it does not answer, as far as the box can tell.
    const isClockWrong = clock.current?.state === "wrong";
    raiseWhile(ctx, unanswered >= UNANSWERED_TOLD, "peer-rejects", {
      why: words.phrase(isClockWrong ? "clock-wrong" : "rejected"),
      advice: words.phrase(isClockWrong ? "set-clock" : "compare"),
    });
    shares.tell();
    if (hits.size > 0) {
      ctx.facts.publish(DOMAIN_HITS, { since: startedMs, rules: Object.fromEntries(hits) });
    }
    // An older peer, or one that is only a Shadowsocks server.
    raiseWhile(ctx, outbound.transport === "unknown-to-peer", "striping-unknown");
    return { ...counts, transport: outbound.transport, way: standIn.way };
  });
  return take;
}

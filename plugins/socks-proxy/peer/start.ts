// Starts the peer's end, and publishes how it is.
import { BOXES, PROXY_TARGET, readBoxes } from "@otb/plugin";
import { Boxes } from "./boxes.ts";
import type { Config } from "../config.ts";
import { drained } from "./drain.ts";
import { Sip004Server } from "./sip004_server.ts";
import { publish } from "../publish.ts";
import { Salts } from "../wire/salts.ts";
import { rememberSeen } from "./last_seen.ts";
import { serveCounters, Server } from "./server.ts";
import { Targets } from "./targets.ts";
import { tellHeld } from "../held_facts.ts";
import { serves } from "../serves.ts";
import { words } from "../texts/mod.ts";
import { congestionWish, mostConnections, type Parts, peerKeyOf, raiseWhile, type Take } from "../start.ts";

/** How long it is told that a box had too much. */
const FULL_TOLD_MS = 60_000;

/** Runs until the plugin stops. */
export async function startCloud({ ctx, native, reactor, now }: Parts): Promise<Take> {
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
    raiseWhile(ctx, !salts.isDurable, "salts-not-kept", { directory: ctx.directory });
    raiseWhile(ctx, (rejected.time ?? 0) > 0, "clock-skew");
    const full = boxes.all.filter(({ refusedMs }) => performance.now() - refusedMs < FULL_TOLD_MS);
    raiseWhile(ctx, full.length > 0, "box-full", {
      boxes: full.map(({ name }) => words.phrase("named", { name })),
    });
    raiseWhile(ctx, sip004.isMissing, "sip004-box-missing", { box: ctx.config.sip004.box });
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

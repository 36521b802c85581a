// The peer's side: takes boxes' wishes, and holds what goes to their addresses.
import { type Context, PROXY_TARGET, type Resource, TUNNEL_PATH } from "@otb/plugin";
import { uplinkQdisc, uplinkTable } from "./classes.ts";
import type { Config } from "./config.ts";
import { type Group, Ledger } from "./ledger.ts";
import { Paths } from "./paths.ts";
import { serve } from "./service.ts";
import type { Words } from "./texts/mod.ts";

/** Wishes of all boxes are put into the kernel together, this often. */
const BEAT_MS = 500;

/** A peer that holds what goes to boxes. */
export interface Cloud {
  /** Other settings hold from the next beat on. */
  take(next: Config): void;
}

/** Starts serving boxes. @throws Error when the port is taken */
export async function startCloud(ctx: Context<Config, Words>): Promise<Cloud> {
  const paths = ctx.facts.watch(TUNNEL_PATH);
  const ledger = new Ledger();
  const now = () => new Paths(paths.current.values());
  const service = serve(ctx.config.port, {
    shape: (session, wishes) => ledger.renew(session, wishes, now(), performance.now()),
    isKnown: (session) => now().has(session),
  });
  ctx.defer(() => service.close());
  ctx.facts.publish(PROXY_TARGET, ctx.name, { host: "127.0.0.1", port: service.port });
  // What a box marks on its way here is how its connection is answered: priority of devices holds downstream too.
  await ctx.claim("settings", [{
    kind: "sysctl",
    name: "net/ipv4/tcp_reflect_tos",
    value: "1",
    optional: true,
  }]);

  let { callsShare } = ctx.config;
  let claimed = "[]", told = "", isWorking = false;
  const beat = async () => {
    if (isWorking) return;
    isWorking = true;
    try {
      const known = now();
      ledger.expire(performance.now(), known);
      const groups = ledger.groups(known);
      const wanted = uplinks(ctx, groups, callsShare);
      const text = JSON.stringify(wanted);
      if (text !== claimed) {
        await ctx.claim("uplink", wanted);
        claimed = text;
        ctx.health.clear("uplink-refused");
      }
      const status = {
        addresses: groups.map(({ address, bitsPerSecond, layer }) => ({ address, bitsPerSecond, layer })),
      };
      if (JSON.stringify(status) !== told) ctx.publishStatus(status);
      told = JSON.stringify(status);
    } catch (error) {
      ctx.health.raise("uplink-refused", { reason: (error as Error).message });
    } finally {
      isWorking = false;
    }
  };
  const timer = setInterval(() => void beat(), BEAT_MS);
  ctx.defer(() => clearInterval(timer));
  ctx.publishStatus({ addresses: [] });
  return {
    take(next) {
      ({ callsShare } = next);
    },
  };
}

/** Qdiscs and the table for all addresses, each on the uplink of its family. */
function uplinks(ctx: Context<Config>, groups: Group[], callsShare: number): Resource[] {
  const byDevice = new Map<string, Group[]>();
  for (const group of groups) {
    const name = group.address.includes(":") ? "uplink6" : "uplink";
    const device = ctx.links.current.find((link) => link.name === name)?.interface;
    if (device) byDevice.set(device, [...byDevice.get(device) ?? [], group]);
  }
  return [
    ...uplinkTable([...byDevice.values()].flat()),
    ...[...byDevice].map(([device, mine]) =>
      uplinkQdisc(
        device,
        mine.map(({ group, bitsPerSecond, layer }) => ({ group, bitsPerSecond, layer, callsShare })),
      )
    ),
  ];
}

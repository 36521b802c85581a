// The plugin: in the cloud a resolver for boxes, on the box the way to it.
import {
  type Context,
  definePlugin,
  LAN_PREFIX,
  PEER,
  type PeerFact,
  type Problem,
  PROXY_TARGET,
  RESOLVER,
  SOCKS5,
  SupervisedProgram,
  WHEN_PEER_GONE,
  type WhenPeerGoneFact,
} from "@otb/plugin";
import { type Config, config } from "./config.ts";
import { Forwarder } from "./forwarder.ts";
import { LinkListeners } from "./link_names.ts";
import { listen, LOOPBACK } from "./listen.ts";
import { UNBOUND } from "./unbound.ts";
import { unboundConfig } from "./unbound_config.ts";
import { parseUpstream } from "./upstream.ts";
import { type Words, words } from "./texts/mod.ts";

const STATUS_EVERY_MS = 1_000;
const EMPTIED_EVERY_MS = 1_000;

export default definePlugin({
  config,
  words,

  check({ forwardTo }): Problem[] {
    const byTls = forwardTo.filter((text) => parseUpstream(text)?.tlsName).length;
    if (byTls === 0 || byTls === forwardTo.length) return [];
    return [{
      code: "resolver-mixed",
      path: "forwardTo",
      message:
        `Cannot ask some by TLS and some in the clear as all must be alike: current value is "${forwardTo}"`,
      next: "Give all of them a #name, or none.",
    }];
  },

  start: (ctx) => ctx.role === "box" ? startBox(ctx) : startCloud(ctx),
});

async function startBox(ctx: Context<Config, Words>): Promise<void> {
  const { port, localDomains } = ctx.config;
  const socks5 = ctx.facts.watch(SOCKS5);
  const peers = ctx.facts.watch(PEER);
  const policy = ctx.facts.watch(WHEN_PEER_GONE);
  const forwarder = new Forwarder(ctx.config, {
    proxy: () => socks5.current,
    direct: () => mayGoDirectly([...peers.current.values()], policy.current),
    emptied: emptiedTeller(ctx),
  });
  const linkListeners = new LinkListeners(ctx);
  const prefixes = ctx.facts.watch(LAN_PREFIX);
  const follow = () => {
    const { lan } = ctx.network.current;
    forwarder.rebinding.own = linkListeners.own = [
      ...lan ? [lan.address] : [],
      ...ctx.links.current.flatMap(({ observed: { address, gateway } }) =>
        [address, gateway].filter((one) => one !== undefined)
      ),
      ...prefixes.current ? [prefixes.current.prefix] : [],
    ];
  };
  follow();
  for (const view of [ctx.network, ctx.links, prefixes]) ctx.defer(view.subscribe(follow));
  const listening = await listen(port, (query) => forwarder.ask(query));
  ctx.defer(() => {
    listening.close();
    forwarder.close();
  });
  let told = "";
  const tell = () => {
    linkListeners.follow();
    const { refused, malformed } = listening;
    const { state, account } = forwarder;
    const text = JSON.stringify([state, account, refused, malformed]);
    if (text === told) return;
    told = text;
    ctx.facts.publish(RESOLVER, { address: LOOPBACK, port, state, localDomains });
    ctx.publishStatus({ state, ...account, refused, malformed });
    const reason = (otherwise: "peer-gone" | "nobody") => forwarder.lastError || words.phrase(otherwise);
    if (state === "degraded") ctx.health.raise("resolver-second-way", { reason: reason("peer-gone") });
    else ctx.health.clear("resolver-second-way");
    if (state === "down") ctx.health.raise("resolver-down", { reason: reason("nobody") });
    else ctx.health.clear("resolver-down");
  };
  tell();
  const timer = setInterval(tell, STATUS_EVERY_MS);
  ctx.defer(() => clearInterval(timer));
}

/** Tells of names that led into the house, so that who wanted them finds out; a page that asks for thousands tells of a few. */
function emptiedTeller({ log }: Pick<Context<Config>, "log">): (name: string) => void {
  let toldMs = -Infinity;
  return (name) => {
    if (performance.now() - toldMs < EMPTIED_EVERY_MS) return;
    toldMs = performance.now();
    log.info(
      "A name led into the house, and its answer was emptied; the setting localDomains says which may",
      {
        // Only what a name on the Internet has.
        name: name.replaceAll(/[^a-z0-9._-]/g, "?"),
      },
    );
  };
}

/** Only when every peer is gone and the box's setting lets devices leave past it; not knowing is no. Pure. */
export function mayGoDirectly(peers: PeerFact[], policy: WhenPeerGoneFact | undefined): boolean {
  return policy?.way === "direct" && peers.length > 0 && peers.every(({ state }) => state === "down");
}

async function startCloud(ctx: Context<Config, Words>): Promise<void> {
  const { port } = ctx.config;
  const unbound = new SupervisedProgram(ctx, UNBOUND, {
    onFailure(reason) {
      ctx.publishStatus({ running: reason === undefined });
      if (reason === undefined) return ctx.health.clear("resolver-ended");
      ctx.health.raise("resolver-ended", { reason });
    },
  });
  await unbound.apply(unboundConfig(ctx.config));
  ctx.facts.publish(PROXY_TARGET, ctx.name, { host: LOOPBACK, port });
}

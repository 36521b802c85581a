// The cloud's end: a resolver for boxes.
import { type Context, PROXY_TARGET, SupervisedProgram } from "@otb/plugin";
import type { Config } from "./config.ts";
import { LOOPBACK } from "./listen.ts";
import { UNBOUND } from "./unbound.ts";
import { unboundConfig } from "./unbound_config.ts";
import type { Words } from "./texts/mod.ts";

/** Serves boxes until the plugin stops. */
export async function startCloud(ctx: Context<Config, Words>): Promise<void> {
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

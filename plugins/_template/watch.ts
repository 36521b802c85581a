// The running plugin: joins the pure function to the world.
import type { Context } from "@otb/plugin";
import type { Config } from "./config.ts";
import { LINKS_UP } from "./fact.ts";
import { judge } from "./links_up.ts";
import type { Words } from "./texts/mod.ts";

/** Looks at the links and tells what it saw. */
export class LinkWatch {
  #config: Config;

  constructor(private readonly ctx: Context<Config, Words>) {
    this.#config = ctx.config;
  }

  take(next: Config): void {
    this.#config = next;
    this.look();
  }

  /** @returns how many links are up */
  look(): number {
    const { ctx } = this;
    const { atLeast } = this.#config;
    const { up, condition } = judge(ctx.links.current, atLeast);
    // For people and otb status; what is equal is told once.
    ctx.publishStatus({ up, atLeast });
    ctx.facts.publish(LINKS_UP, { up });
    if (condition) ctx.health.raise(...condition);
    else ctx.health.clear("too-few-links");
    return up;
  }
}

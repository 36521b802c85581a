// What the box's end tells: facts for other plugins, status for people, as often as anybody wants to know.
import type { Context, TunnelFact } from "@otb/plugin";
import type { Config } from "../config.ts";
import { pathFact, pathStatus } from "./facts.ts";
import type { Session } from "../session/session.ts";

/** While something is going on, and while nothing is. */
const EVERY_MS = 200, IDLE_MS = 5_000;

export class BoxPublisher {
  #fact = "";
  #atMs = -Infinity;
  #published = new Set<string>();

  constructor(private readonly ctx: Context<Config>) {}

  /** @param isNow something has changed */
  tell(fact: TunnelFact, session: Session | undefined, nowUs: number, isNow: boolean): void {
    const { ctx } = this;
    const nowMs = nowUs / 1_000;
    if (ctx.signal.aborted || !isNow && nowMs - this.#atMs < (session?.isInUse(nowUs) ? EVERY_MS : IDLE_MS)) {
      return;
    }
    this.#atMs = nowMs;
    const text = JSON.stringify(fact);
    if (text !== this.#fact) {
      this.#fact = text;
      ctx.facts.publish("tunnel", fact);
    }
    const paths = (session?.paths ?? []).flatMap((path) => path ? [path] : []);
    const keys = new Set(paths.map(({ name }) => `tunnel-path/${name}`));
    for (const path of paths) {
      ctx.facts.publish(`tunnel-path/${path.name}`, pathFact(path, path.name, nowUs, ctx.clock.now(), false));
    }
    for (const key of this.#published) if (!keys.has(key)) ctx.facts.publish(key, undefined);
    this.#published = keys;
    ctx.publishStatus({
      state: fact.state,
      reason: fact.reason ?? null,
      interface: fact.interface,
      address: fact.address ?? null,
      mtu: fact.mtu ?? null,
      paths: paths.map((path) => pathStatus(path)) as never,
      keys: session?.epochs.count ?? 0,
      packets: {
        ...session?.counts ?? { sent: 0, received: 0, refused: 0, bad: 0 },
        late: session?.reorder.late ?? 0,
        lost: session?.reorder.lost ?? 0,
        duplicates: session?.reorder.duplicates ?? 0,
      },
    });
  }
}

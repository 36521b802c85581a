// Publishes what the box's end knows: facts for other plugins, a status for people, as often as anybody wants it.
import { type Context, TUNNEL, TUNNEL_PATH, type TunnelFact } from "@otb/plugin";
import type { Config } from "../config.ts";
import { pathFact, pathStatus } from "./facts.ts";
import type { Session } from "../session/session.ts";

/** While something is going on, and while nothing is. */
const EVERY_MS = 200, IDLE_MS = 5_000;

export class BoxPublisher {
  #atMs = -Infinity;

  constructor(private readonly ctx: Context<Config>) {}

  /** @param isNow something has changed */
  tell(fact: TunnelFact, session: Session | undefined, nowUs: number, isNow: boolean): void {
    const { ctx } = this;
    const nowMs = nowUs / 1_000;
    if (ctx.signal.aborted || !isNow && nowMs - this.#atMs < (session?.isInUse(nowUs) ? EVERY_MS : IDLE_MS)) {
      return;
    }
    this.#atMs = nowMs;
    ctx.facts.publish(TUNNEL, fact);
    const paths = (session?.paths ?? []).flatMap((path) => path ? [path] : []);
    const atMs = ctx.clock.now();
    ctx.facts.publishAll(
      TUNNEL_PATH,
      new Map(paths.map((path) => [path.name, pathFact(path, path.name, nowUs, atMs, false)])),
    );
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

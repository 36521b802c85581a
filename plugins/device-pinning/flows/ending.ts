// Ends what cannot go on where it went: the kernel forgets it, TCP ends at once, the rest is decided anew with its next packet.
import type { Native } from "../../../core/native/ffi.ts";
import { CONNECTION_MARK, type Context } from "@otb/plugin";
import type { Wish } from "../rules/compile.ts";
import { type Ended, forgetConnections } from "./kernel.ts";
import { Nudger } from "./nudge.ts";
import { isTunnelDead } from "../rules/policy.ts";

const { moves: MOVES, decided: DECIDED, open: OPEN, link: LINK, tunnelled: TUNNELLED } = CONNECTION_MARK;

/** How often flows that are to move are looked for. */
const MOVE_MS = 1_000;

export class Ending {
  readonly #nudger: Nudger;
  #movedMs = -Infinity;

  constructor(private readonly ctx: Pick<Context<unknown>, "clock" | "log" | "signal">, native: Native) {
    this.#nudger = new Nudger(native);
  }

  /** To be done before the table is replaced: who was heard to speak comes back at once, and is never held up. */
  async before(former: Wish | undefined, { moving }: Wish): Promise<void> {
    if (former?.moving === "soon" && moving === "returning") {
      await forgetConnections(MOVES | OPEN, MOVES | OPEN);
    }
  }

  /** Connections that cannot go on where they went are forgotten: TCP ends, the rest is decided anew. */
  async follow(former: Wish | undefined, now: Wish): Promise<void> {
    const ended: Ended[] = [];
    for (const { mark, link, usable, reason } of now.ways) {
      const was = former?.ways.find((way) => way.link === link);
      if (was?.usable === usable) continue;
      if (was) {
        this.ctx.log.info(`Link "${link}" is ${usable ? "alive again" : "dead"}`, usable ? {} : { reason });
      }
      if (!usable) ended.push(...await forgetConnections(mark, LINK));
    }
    if (now.proxyGone !== (former?.proxyGone ?? false)) {
      this.ctx.log.warn(
        now.proxyGone ? "No peer answers the proxy: what it carries ends" : "A peer answers again",
      );
      if (now.proxyGone) {
        ended.push(...await forgetConnections(DECIDED, DECIDED | LINK | TUNNELLED));
      }
    }
    const tunnelDead = isTunnelDead(now);
    if (tunnelDead !== (former ? isTunnelDead(former) : false)) {
      const { reason } = now.tunnel;
      this.ctx.log.info(tunnelDead ? "The tunnel is down" : "The tunnel is up", tunnelDead ? { reason } : {});
      if (tunnelDead) {
        ended.push(...await forgetConnections(TUNNELLED, TUNNELLED, "tcp"));
      }
    }
    await this.#move(former, now);
    void this.#nudger.nudge(now.lan.interface, ended, this.ctx.signal).catch((error) =>
      this.ctx.log.warn("Cannot end connections at once", { reason: String(error) })
    );
  }

  /** What is not TCP and spoke is forgotten where it is not to stay. */
  async #move(former: Wish | undefined, { moving }: Wish): Promise<void> {
    // Nothing is noted any more; what is left goes as one.
    if (former?.moving === "leaving" && moving === undefined) {
      await forgetConnections(TUNNELLED, TUNNELLED);
    }
    if (moving !== "leaving" && moving !== "returning") return;
    const nowMs = this.ctx.clock.monotonicMs();
    if (moving === former?.moving && nowMs - this.#movedMs < MOVE_MS) return;
    this.#movedMs = nowMs;
    const mark = MOVES | (moving === "leaving" ? TUNNELLED : OPEN);
    await forgetConnections(mark, mark);
  }
}

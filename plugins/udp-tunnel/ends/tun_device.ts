// The TUN device, which comes back by itself when somebody deletes it, renames it or moves it away.
import type { Native, Tun } from "../../../core/native/ffi.ts";
import type { Context, Phrase } from "@otb/plugin";
import { DEVICE } from "./claims.ts";
import type { Config } from "../config.ts";
import type { Pump } from "./pump.ts";
import { MOST_INNER_MTU } from "../wire.ts";
import { type Words, words } from "../texts/mod.ts";

/** Who deletes it so soon again does it for a reason: the next one comes later, up to this. */
const CALM_MS = 10_000, FIRST_WAIT_MS = 500, LAST_WAIT_MS = 10_000;
/** Deleted so often in a row it is a person's matter. */
const TOLD_AFTER = 3;

export class TunDevice {
  #tun: Tun | undefined;
  #openedMs = 0;
  #nextMs = 0;
  /** Lost so often without a calm time between. */
  #lost = 0;

  /** Opens it; when that fails later, it is tried again. @throws OtbError when it fails now */
  constructor(
    private readonly ctx: Pick<Context<Config, Words>, "clock" | "health" | "log">,
    private readonly native: Pick<Native, "tun">,
    private readonly pump: Pick<Pump, "open" | "release">,
  ) {
    this.#open();
  }

  get isThere(): boolean {
    return this.#tun !== undefined;
  }

  /** To be called several times a second. */
  look(): void {
    const nowMs = this.ctx.clock.monotonicMs();
    if (this.#tun && !this.#tun.isThere) this.#lose();
    if (this.#tun) {
      if (this.#lost === 0 || nowMs - this.#openedMs < CALM_MS) return;
      this.#lost = 0;
      this.ctx.health.clear("tunnel-device-lost");
      return;
    }
    if (nowMs < this.#nextMs) return;
    try {
      this.#open();
    } catch (error) {
      this.#nextMs = nowMs + this.#waitMs();
      this.#tell(words.phrase("cannot-be-made", { reason: (error as Error).message }));
    }
  }

  close(): void {
    this.pump.release();
    this.#tun?.close();
    this.#tun = undefined;
    this.#nextMs = Infinity;
  }

  #open(): void {
    const tun = this.native.tun(DEVICE, { mtu: MOST_INNER_MTU, offload: true });
    this.#tun = tun;
    this.#openedMs = this.ctx.clock.monotonicMs();
    this.pump.open(tun, () => this.#lose());
  }

  #lose(): void {
    const { ctx } = this;
    this.close();
    this.#lost++;
    this.#nextMs = this.#lost === 1 ? 0 : ctx.clock.monotonicMs() + this.#waitMs();
    ctx.log.warn(`Somebody deleted the device ${DEVICE}: it is made again`, { times: this.#lost });
    if (this.#lost >= TOLD_AFTER) this.#tell(words.phrase("deleted"));
  }

  #waitMs(): number {
    return Math.min(LAST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.max(0, this.#lost - 2));
  }

  #tell(why: Phrase): void {
    this.ctx.health.raise("tunnel-device-lost", { device: DEVICE, why });
  }
}

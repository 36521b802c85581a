// IPv6 on the LAN as it runs: the box's address in the prefix by claim, and a dnsmasq that announces what the interface has.
// Taking the address away is taking the announcement back: dnsmasq tells devices at once, and goes on for as long as one that
// missed it may believe the last one.
import { type Context, SupervisedProgram } from "@otb/plugin";
import type { Config } from "./config.ts";
import { DNSMASQ } from "./dnsmasq.ts";
import { announcerConfig } from "./dnsmasq_config.ts";
import { type Announcement, announcerResources } from "./ipv6.ts";

/** So soon after its interface lost the address dnsmasq has told everybody (measured: 1 s; it looks every second). */
const FAREWELL_MS = 2_000;

/** Announces one prefix, or takes it back. */
export class Announcer {
  readonly #dnsmasq: SupervisedProgram;
  #announced: Announcement | undefined;
  /** When a prefix that was taken back needs no more telling, in monotonic milliseconds. */
  #farewellUntilMs: number | undefined;

  constructor(private readonly ctx: Context<Config>) {
    this.#dnsmasq = new SupervisedProgram(ctx, DNSMASQ, { key: "announcer" });
  }

  /** The prefix that is announced, as the box's own address in it. */
  get address(): string | undefined {
    return this.#announced?.address;
  }

  /** Has this announced from now on, or nothing. @throws OtbError when the kernel refuses the address */
  async follow(wanted: Announcement | undefined): Promise<void> {
    const { ctx } = this;
    const nowMs = ctx.clock.monotonicMs();
    if (!wanted && this.#announced) {
      this.#farewellUntilMs = nowMs + this.#announced.timing.prefixSeconds * 1000;
    }
    if (wanted) this.#farewellUntilMs = undefined;
    await this.#claim(wanted);
    this.#announced = wanted;
    if (wanted) return await this.#dnsmasq.apply(announcerConfig(wanted));
    if (this.#farewellUntilMs !== undefined && nowMs < this.#farewellUntilMs) return;
    this.#farewellUntilMs = undefined;
    await this.#dnsmasq.apply(undefined);
  }

  async #claim(wanted: Announcement | undefined): Promise<void> {
    const { lan } = this.ctx.network.current;
    await this.ctx.claim("ipv6", lan ? announcerResources(lan, wanted) : []);
  }

  /** Takes back what is announced; its dnsmasq tells devices before it ends with the plugin. */
  async close(): Promise<void> {
    if (!this.#announced) return;
    await this.#claim(undefined);
    await new Promise((resolve) => setTimeout(resolve, FAREWELL_MS));
  }
}

// The peer's side: paths are told by the boxes' public addresses, and what is sent over each gets its congestion control.
import type { Native } from "../../core/native/ffi.ts";
import { CONGESTION, type Context, type Link, PATH, type Resource, ROUTING_TABLE } from "@otb/plugin";
import type { Config } from "./config.ts";
import { chooseCongestion } from "./congestion.ts";
import { pathFact, socketRates, totalRate } from "./path_fact.ts";
import { type PathSample, Telemetry } from "./telemetry.ts";

const BEAT_MS = 1_000;
/** A path is remembered this long after its last subflow, so that the next connection starts as the last one ended. */
const REMEMBERED_MS = 600_000;
/** A route for each address beyond this would be a way to fill the kernel's table. */
const MAX_ROUTES = 1_024;

/** What is known of the way to one public address of a box. */
interface Way {
  congestion: string;
  seenMs: number;
}

/** Watches the subflows of all boxes. */
export class CloudPaths {
  readonly #telemetry = new Telemetry();
  readonly #ways = new Map<string, Way>();
  #lastMs = performance.now();
  #claimed = "";

  constructor(private readonly ctx: Context<Config>, private readonly native: Native) {}

  async start(): Promise<void> {
    await this.#claim();
    const timer = setInterval(() => this.#beat(), BEAT_MS);
    this.ctx.defer(() => clearInterval(timer));
  }

  #beat(): void {
    const { ctx } = this;
    const nowMs = performance.now();
    const samples = this.native.tcpDiag({ localPort: ctx.network.current.peers[0]!.port });
    const paths = this.#telemetry.beat(samples, nowMs - this.#lastMs, ({ remote }) => remote.host);
    this.#lastMs = nowMs;
    this.#remember(paths, nowMs);
    void this.#claim().catch((error) =>
      ctx.log.warn("Cannot choose the congestion control of a path", { reason: String(error) })
    );
    ctx.facts.publish(CONGESTION, { wish: ctx.config.congestion });
    const total = totalRate(paths);
    ctx.facts.publishAll(
      PATH,
      new Map([...paths].map(([name, sample]) => [
        name,
        pathFact(name, "cloud", "active", sample, socketRates(sample), total),
      ])),
    );
    ctx.publishStatus({
      paths: paths.size,
      subflows: [...paths.values()].reduce((sum, { subflows }) => sum + subflows, 0),
      congestion: Object.fromEntries([...paths].map(([name, { congestion }]) => [name, congestion])),
    });
  }

  #remember(paths: Map<string, PathSample>, nowMs: number): void {
    const { congestion } = this.ctx.config;
    for (const [address, sample] of paths) {
      const former = this.#ways.get(address)?.congestion ?? "cubic";
      this.#ways.delete(address);
      const chosen = congestion === "auto" ? chooseCongestion(former, sample) : congestion;
      this.#ways.set(address, { congestion: chosen, seenMs: nowMs });
    }
    // The longest unseen come first.
    for (const [address, { seenMs }] of this.#ways) {
      if (nowMs - seenMs < REMEMBERED_MS && this.#ways.size <= MAX_ROUTES) break;
      this.#ways.delete(address);
    }
  }

  async #claim(): Promise<void> {
    const wishes = congestionRoutes(this.ctx.links.current, this.#ways);
    const text = JSON.stringify(wishes);
    if (text === this.#claimed) return;
    this.#claimed = text;
    await this.ctx.claim("congestion", wishes);
  }
}

/**
 * A route for each way that wants another congestion control than cubic, which is what the proxy's listener gives. Pure.
 *
 * Subflows that are accepted take it from the route to their sender (ip-route(8), `congctl`).
 */
export function congestionRoutes(
  uplinks: Link[],
  ways: ReadonlyMap<string, { congestion: string }>,
): Resource[] {
  return [...ways].filter(([, { congestion }]) => congestion !== "cubic").sort(([a], [b]) => a < b ? -1 : 1)
    .flatMap(([address, { congestion }]): Resource[] => {
      const family = address.includes(":") ? 6 : 4;
      const uplink = uplinks.find(({ observed }) => observed.gateway?.includes(":") === (family === 6));
      if (!uplink) return [];
      return [{
        kind: "route",
        family,
        table: ROUTING_TABLE.main,
        to: `${address}/${family === 6 ? 128 : 32}`,
        via: uplink.observed.gateway,
        interface: uplink.interface,
        congestion,
      }];
    });
}

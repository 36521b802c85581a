// Does what `otb bench soak` decided on, waits until it is over, and keeps the books that tell a kill from an end by itself.
import { setTimeout as sleep } from "node:timers/promises";
import type { SmallDisk } from "../lab/disk.ts";
import type { World } from "../worlds/world.ts";
import type { Fault } from "./soak_plan.ts";

/** So long a plugin may take to be ready again: it may be one that ended again and again, by our doing. */
const READY_MS = 400_000;

/** Spoils one world. */
export class Spoiler {
  /** Kills of each plugin, by end and name: whatever else restarted did so by itself. */
  readonly #kills = new Map<string, number>();
  readonly #restarts = new Map<string, number>();
  #leaseSeconds: number | undefined;

  /** @param blame told of what no fault explains */
  constructor(
    private readonly world: World,
    private readonly disk: SmallDisk,
    private readonly blame: (what: string) => void,
  ) {}

  /** Does one fault, and waits until it is over. @throws Error when what it broke does not come back */
  async do(fault: Fault): Promise<void> {
    const { world, disk } = this;
    switch (fault.kind) {
      case "kill-core": {
        const { pid } = await world.box.status();
        await this.countRestarts();
        Deno.kill(pid, "SIGKILL");
        await world.box.gone();
        await world.box.up();
        return this.#forget("box");
      }
      case "kill-plugin": {
        const end = fault.end === "box" ? world.box : world.cloud;
        const pid = (await end.status()).plugins.find(({ name }) => name === fault.plugin)?.pid;
        if (pid === undefined) return;
        const name = `${fault.end} ${fault.plugin}`;
        this.#kills.set(name, (this.#kills.get(name) ?? 0) + 1);
        Deno.kill(pid, "SIGKILL");
        await end.until(
          ({ plugins }) =>
            plugins.some((one) =>
              one.name === fault.plugin && one.state === "ready" && (one.pid ?? pid) !== pid
            ),
          READY_MS,
        );
        return;
      }
      case "peer-restart":
        await this.countRestarts();
        await world.cloud.down();
        await world.cloud.up();
        return this.#forget("peer");
      case "cut":
        await world.lab.cut(fault.link);
        await sleep(fault.forMs);
        return await world.lab.restore(fault.link);
      case "shape": {
        const { downMbps, lossPercent } = world.lab.links.find(({ name }) => name === fault.link)!;
        await world.lab.set(fault.link, { downMbps: fault.downMbps, lossPercent: fault.lossPercent });
        await sleep(fault.forMs);
        return await world.lab.set(fault.link, { downMbps, lossPercent });
      }
      case "modem-restart":
        await world.lab.plug(fault.link, false);
        await sleep(fault.forMs);
        return await world.lab.plug(fault.link);
      case "settings": {
        const core = await world.box.core();
        const patch = {
          network: { links: { [fault.link]: { tier: fault.tier } } },
          plugins: { "dhcp-takeover": { leaseSeconds: fault.leaseSeconds } },
        };
        const { problems } = await core.propose({ patch, confirm: true });
        if (problems[0]) throw new Error(problems[0].message);
        this.#leaseSeconds = fault.leaseSeconds;
        return;
      }
      case "disk-full":
        disk.fill();
        await sleep(fault.forMs);
        disk.free();
        await world.box.until(({ health }) => !health.some(({ code }) => code === "state-not-written"));
        return;
      case "tun-deleted": {
        const device = (await world.box.status()).tunnel?.interface;
        if (device) await this.#inBox(["ip", "link", "delete", device]);
        return;
      }
      case "nft-flushed":
        return await this.#inBox(["nft", "flush", "ruleset"]);
    }
  }

  async #inBox(command: string[]): Promise<void> {
    await this.world.lab.spawn("box", command, { stdin: "null", stdout: "null", stderr: "null" }).status;
  }

  /** A core that begins counts anew. */
  #forget(end: "box" | "peer"): void {
    for (const name of this.#kills.keys()) if (name.startsWith(end)) this.#kills.delete(name);
    for (const name of this.#restarts.keys()) if (name.startsWith(end)) this.#restarts.delete(name);
  }

  /** Plugins that ended though nobody killed them. */
  async countRestarts(): Promise<void> {
    for (
      const [end, { plugins }] of [["box", await this.world.box.status()], [
        "peer",
        await this.world.cloud.status(),
      ]] as const
    ) {
      for (const { name, restarts } of plugins) {
        const key = `${end} ${name}`;
        const former = this.#restarts.get(key) ?? restarts;
        const own = restarts - former - (this.#kills.get(key) ?? 0);
        this.#kills.delete(key);
        this.#restarts.set(key, restarts);
        if (own > 0) {
          this.blame(`${key} ended ${own} times by itself`);
        }
      }
    }
  }

  /** The last setting that was acknowledged is in force. */
  async checkSettings(): Promise<void> {
    if (this.#leaseSeconds === undefined) return;
    const { effective } = await (await this.world.box.core()).config();
    const { leaseSeconds } = effective.plugins["dhcp-takeover"] as { leaseSeconds: number };
    if (leaseSeconds !== this.#leaseSeconds) {
      this.blame(`a setting that was acknowledged is lost: ${leaseSeconds}, not ${this.#leaseSeconds}`);
    }
  }
}

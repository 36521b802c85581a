// igmpproxy as a program that the core runs: with few rights, and its end told once it lasted.
import type { Context, Program } from "@otb/plugin";

/** What root keeps for it: the kernel's multicast routes, and raw sockets (capabilities(7)). */
const CAPABILITIES = ["net_admin", "net_raw"];
/** A run this long is one: it ends at once when it can't work. */
const RUNS_MS = 3_000;

/** One igmpproxy, or none. */
export class IgmpProxy {
  readonly #program: Program;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param onEnd it ended by itself; with its last words, or undefined once it runs again */
  constructor(ctx: Pick<Context<never>, "program">, onEnd: (reason: string | undefined) => void) {
    this.#program = ctx.program("igmpproxy", {
      onReady: () => {
        clearTimeout(this.#timer);
        this.#timer = setTimeout(() => onEnd(undefined), RUNS_MS);
      },
      onEnd: (reason) => {
        clearTimeout(this.#timer);
        onEnd(reason);
      },
    });
  }

  /** Has it run with this configuration, or not at all; one that is unchanged runs on. */
  async apply(config: string | undefined): Promise<void> {
    clearTimeout(this.#timer);
    await this.#program.apply(
      config === undefined
        ? undefined
        // One at a time may route multicast (MRT_INIT in multicast routing's ip(7)): the former is ended before.
        : { command: ["igmpproxy", "-n", "-d", "/dev/stdin"], capabilities: CAPABILITIES, input: config },
    );
  }
}

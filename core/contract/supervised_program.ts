// A Debian program that serves while its plugin wants it to: dnsmasq, unbound, igmpproxy. It reads its configuration from its standard
// input when it starts, so that another configuration starts it anew; what is the same about all of them is here.
import type { Context } from "./context.ts";
import type { Program, ProgramWatcher } from "./program.ts";

/** How a program is run, whatever it is configured to do. */
export interface ProgramKind {
  /** The program, which the manifest's `programs` must have, and its arguments; they have it read standard input (`/dev/stdin`). */
  command: string[];
  /** What it keeps of root's rights, as capabilities(7) names them in small letters without `cap_`. */
  capabilities: string[];
  /** The line of its error output that says it serves; absent: it does as soon as it is started. */
  ready?: RegExp;
  /** Where it does not say that it serves: a run this long does, as it ends at once when it can't work. */
  provenMs?: number;
  /** How its lines begin before they say anything: its name, its process, the time. */
  prefix?: RegExp;
}

/** Who follows a program. */
export interface ProgramFollower extends Pick<ProgramWatcher, "onStart" | "onLine"> {
  /** Its name among the programs of the plugin; the program's own unless given. */
  key?: string;
  /** Its last words each time it ends by itself, after which it is started again; undefined once it serves, or is not wanted any more. */
  onFailure?(reason: string | undefined): void;
}

/** One program, or none; it ends with its plugin. */
export class SupervisedProgram {
  readonly #program: Program;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #hasFailed = false;

  constructor(
    ctx: Pick<Context<never>, "program" | "log" | "defer">,
    private readonly kind: ProgramKind,
    private readonly follower: ProgramFollower = {},
  ) {
    const { ready, provenMs = 0, prefix = /^/ } = kind;
    const key = follower.key ?? kind.command[0]!;
    this.#program = ctx.program(key, {
      onStart: () => follower.onStart?.(),
      ...(ready ? { isReady: (line: string) => ready.test(line) } : {}),
      onReady: () => {
        clearTimeout(this.#timer);
        if (provenMs === 0) return this.#tell(undefined);
        this.#timer = setTimeout(() => this.#tell(undefined), provenMs);
      },
      onLine: (line) => follower.onLine?.(line),
      onEnd: (line) => {
        clearTimeout(this.#timer);
        const reason = line.replace(prefix, "");
        ctx.log.warn("A program ended and is started again", { program: key, reason });
        this.#tell(reason);
      },
    });
    ctx.defer(() => this.apply(undefined));
  }

  /**
   * Has it run with this configuration from now on, or not at all; resolves once it serves. One that is unchanged runs on, also one
   * that an earlier run of the plugin left.
   *
   * @param withinMs it ends by then, whatever becomes of us; Infinity: it does not
   */
  async apply(configuration: string | undefined, withinMs = Infinity): Promise<void> {
    const { command, capabilities } = this.kind;
    if (configuration === undefined) {
      clearTimeout(this.#timer);
      if (this.#hasFailed) this.#tell(undefined);
      return await this.#program.apply(undefined);
    }
    const withinSeconds = withinMs === Infinity ? {} : { withinSeconds: withinMs / 1000 };
    await this.#program.apply({ command, capabilities, input: configuration, ...withinSeconds });
  }

  #tell(reason: string | undefined): void {
    this.#hasFailed = reason !== undefined;
    this.follower.onFailure?.(reason);
  }
}

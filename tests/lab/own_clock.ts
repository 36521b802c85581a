// A clock of its own for the programs of a lab, through own_clock.c: a box may be in 1970, and correct its clock, while the
// machine's is neither read by it nor ever set.
const SOURCE = new URL("own_clock.c", import.meta.url).pathname;

/** One clock, shared by all programs that run by it. */
export class OwnClock {
  private constructor(private readonly folder: string) {}

  /** @param offsetMs what it differs by from the machine's */
  static async make(offsetMs: number): Promise<OwnClock> {
    const clock = new OwnClock(await Deno.makeTempDir({ prefix: "otb-clock" }));
    const { folder } = clock;
    clock.offsetMs = offsetMs;
    await Deno.mkdir(`${folder}/etc`);
    await Deno.writeTextFile(`${folder}/etc/ld.so.preload`, `${folder}/own_clock.so\n`);
    const { success, stderr } = await new Deno.Command("cc", {
      args: [
        "-shared",
        "-fPIC",
        "-O2",
        `-DOWN_CLOCK_FILE="${folder}/offset"`,
        "-o",
        `${folder}/own_clock.so`,
        SOURCE,
      ],
      stdout: "null",
      stderr: "piped",
    }).output();
    if (!success) throw new Error(new TextDecoder().decode(stderr));
    return clock;
  }

  get offsetMs(): number {
    return Number(new DataView(Deno.readFileSync(`${this.folder}/offset`).buffer).getBigInt64(0, true)) / 1e6;
  }

  set offsetMs(offsetMs: number) {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigInt64(0, BigInt(Math.round(offsetMs)) * 1_000_000n, true);
    Deno.writeFileSync(`${this.folder}/offset`, bytes);
  }

  /**
   * What to put before a command in a namespace of the lab: it and all that it starts live by this clock, whatever their
   * environment, and the kernel refuses them to set the machine's.
   */
  get by(): string[] {
    const script =
      `mount -t overlay overlay -o lowerdir=${this.folder}/etc:/etc /etc && exec setpriv --bounding-set=-sys_time "$@"`;
    return ["sh", "-c", script, "sh"];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.folder, { recursive: true });
  }
}

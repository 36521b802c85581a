// Links by our own emulator: one process in the namespace `emu`, led by lines on a Unix socket (tests/lab/emulator).
import { OtbError } from "@otb/plugin";
import { type Emulation, type LinkCounters, queueBytes } from "./emulation.ts";
import type { LinkSpec } from "./parse.ts";

const ROOT = new URL("../..", import.meta.url).pathname.replace(/\/$/, "");

/** The emulator of one lab. */
export class OwnEmulation implements Emulation {
  /**
   * @param socket path of its socket
   * @param names of the links, in order
   * @param spawn starts a command in the namespace `emu`, whose life is not this process's; told of its process id
   */
  constructor(
    private readonly socket: string,
    private readonly names: string[],
    private readonly spawn: (command: string[]) => void,
  ) {}

  async start(): Promise<void> {
    const words = this.names.flatMap((name, index) => [name, `mod${index + 1}`, `net${index + 1}`]);
    this.spawn([emulatorPath(), this.socket, ...words]);
    for (let attempt = 0;; attempt++) {
      try {
        await this.#command("counters");
        return;
      } catch (error) {
        if (attempt > 200) {
          throw new OtbError(
            "lab-failed",
            `Cannot raise the lab as its link emulator does not answer: ${error}`,
            "otb build",
          );
        }
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    }
  }

  async shape(_index: number, link: LinkSpec): Promise<void> {
    for (const direction of ["down", "up"] as const) {
      const rate = direction === "down" ? link.downMbps : link.upMbps;
      const { name, delayMs, jitterMs = 0, lossPercent = 0 } = link;
      const queue = queueBytes(link, rate);
      await this.#command(`set ${name} ${direction} ${rate} ${delayMs} ${jitterMs} ${lossPercent} ${queue}`);
    }
  }

  async cut(index: number): Promise<void> {
    await this.#command(`cut ${this.names[index]}`);
  }

  async restore(index: number): Promise<void> {
    await this.#command(`restore ${this.names[index]}`);
  }

  async counters(): Promise<LinkCounters[]> {
    const found = new Map<string, LinkCounters>();
    for (const line of (await this.#command("counters")).split(";")) {
      const [link = "", direction, ...numbers] = line.split(" ");
      const [packets = 0, bytes = 0, droppedQueue = 0, droppedLoss = 0, droppedCut = 0] = numbers.map(Number);
      const entry = found.get(link) ?? { link } as LinkCounters;
      entry[direction as "up" | "down"] = { packets, bytes, droppedQueue, droppedLoss, droppedCut };
      found.set(link, entry);
    }
    return [...found.values()];
  }

  async #command(line: string): Promise<string> {
    const stream = await Deno.connect({ transport: "unix", path: this.socket });
    try {
      await stream.write(new TextEncoder().encode(line + "\n"));
      let answer = "";
      const chunk = new Uint8Array(65_536);
      while (!answer.includes("\n")) {
        const length = await stream.read(chunk);
        if (length === null) break;
        answer += new TextDecoder().decode(chunk.subarray(0, length));
      }
      if (!answer.startsWith("ok")) {
        throw new OtbError(
          "lab-refused",
          `Cannot change the lab as its emulator refused "${line}": ${answer.trim()}`,
        );
      }
      return answer.slice(3).trim();
    } finally {
      stream.close();
    }
  }
}

function emulatorPath(): string {
  const path = `${ROOT}/target/release/otb-link-emulator`;
  try {
    Deno.statSync(path);
    return path;
  } catch {
    throw new OtbError(
      "emulator-missing",
      `Cannot raise a lab as the link emulator must have been built: current value is "${path}"`,
      "./otb build",
    );
  }
}

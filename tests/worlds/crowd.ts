// Many DHCP clients in one station of a house, as tests/lab/dhcp_clients.ts plays them: orders in, what they were told out.
import type { House } from "./lan.ts";
import type { Answer, Order } from "../lab/dhcp_clients.ts";
import { ROOT } from "./world.ts";

export type { Answer } from "../lab/dhcp_clients.ts";
export { macOf } from "../lab/dhcp_clients.ts";

/** Everything that was answered to a crowd, from its start on. */
export class Crowd {
  readonly answers: Answer[] = [];
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;

  private constructor(child: Deno.ChildProcess) {
    this.#writer = child.stdin.getWriter();
  }

  /** A new station of that name with its crowd. */
  static async up(house: House, role: string): Promise<Crowd> {
    await house.station(role);
    const index = (await house.run(role, ["cat", "/sys/class/net/eth0/ifindex"])).text.trim();
    const child = house.spawn(role, [
      ...[Deno.execPath(), "run", "-A", "--quiet", `--config=${ROOT}/deno.json`],
      ...[`${ROOT}/tests/lab/dhcp_clients.ts`, "eth0", index],
    ], { stdin: "piped", stdout: "piped", stderr: "inherit" });
    const crowd = new Crowd(child);
    const ready = Promise.withResolvers<void>();
    void crowd.#read(child.stdout, ready.resolve);
    await ready.promise;
    return crowd;
  }

  async #read(stdout: ReadableStream<Uint8Array>, ready: () => void): Promise<void> {
    let rest = "";
    for await (const text of stdout.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split("\n");
      rest = lines.pop()!;
      for (const line of lines) {
        const said = JSON.parse(line);
        if ("ready" in said) ready();
        else this.answers.push(said);
      }
    }
    ready();
  }

  async order(order: Order): Promise<void> {
    await this.#writer.write(new TextEncoder().encode(`${JSON.stringify(order)}\n`));
  }

  /** Addresses that were acknowledged until then, by MAC address; the last word holds. */
  acknowledged(untilMs = Infinity): Map<string, string> {
    return new Map(
      this.answers.filter(({ type, atMs, address }) => type === "ack" && address && atMs <= untilMs)
        .map(({ mac, address }) => [mac, address!]),
    );
  }
}

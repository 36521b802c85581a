// How fast one link is, measured on demand: TCP between this box and the peer over that link alone, one direction after the other.
import { connectToPeer, type Proxy } from "./socks5_client.ts";
import { closed, TEST_SECONDS, writeAll, writeLine } from "./wire.ts";

/** Connections of one test: a single one does not fill a link that loses packets. */
const CONNECTIONS = 4;
/** The beginning is left out: connections are still finding the rate. */
const WARM_UP_MS = 1_500;
/** A link that carries nothing for so long has no rate. */
const CONNECT_MS = 5_000;
const CHUNK = new Uint8Array(32_768);

/**
 * The rate of one direction, bits per second of what the peer's proxy carries.
 * @param session of the tunnel, for the peer to know whose test it is
 * @throws Error
 */
export async function measure(
  direction: "down" | "up",
  link: string,
  proxy: () => Proxy | undefined,
  port: number,
  signal: AbortSignal,
  session?: string,
): Promise<number> {
  const endMs = performance.now() + TEST_SECONDS * 1000;
  const bounded = AbortSignal.any([signal, AbortSignal.timeout(TEST_SECONDS * 1000 + CONNECT_MS)]);
  const open: Deno.TcpConn[] = [];
  const stop = () => open.forEach(closed);
  const seen = new Rate(performance.now() + WARM_UP_MS);
  bounded.addEventListener("abort", stop);
  const timer = setTimeout(stop, endMs - performance.now());
  try {
    const streams = await Promise.allSettled(Array.from({ length: CONNECTIONS }, async () => {
      const connection = await connectToPeer(proxy(), port, bounded, link);
      open.push(connection);
      await writeLine(connection, { kind: "test", direction, session });
      await (direction === "down" ? receive(connection, seen) : send(connection, seen));
    }));
    if (seen.bitsPerSecond > 0) return seen.bitsPerSecond;
    const failed = streams.find((stream) => stream.status === "rejected");
    throw failed ? (failed as PromiseRejectedResult).reason : new Error("nothing came");
  } finally {
    clearTimeout(timer);
    bounded.removeEventListener("abort", stop);
    stop();
  }
}

/** Bytes of all connections since the warm-up. */
class Rate {
  #bytes = 0;
  #firstMs: number | undefined;
  #lastMs = 0;

  constructor(private readonly fromMs: number) {}

  take(bytes: number): void {
    const nowMs = performance.now();
    if (nowMs < this.fromMs) return;
    // The first one opens the window: it was on its way before.
    if (this.#firstMs === undefined) this.#firstMs = nowMs;
    else this.#bytes += bytes;
    this.#lastMs = nowMs;
  }

  get bitsPerSecond(): number {
    const ms = this.#lastMs - (this.#firstMs ?? 0);
    return ms > 0 ? this.#bytes * 8000 / ms : 0;
  }
}

async function receive(connection: Deno.TcpConn, rate: Rate): Promise<void> {
  const chunk = new Uint8Array(CHUNK.length);
  try {
    for (let length = await connection.read(chunk); length !== null; length = await connection.read(chunk)) {
      rate.take(length);
    }
  } catch {
    // The end of the time.
  }
}

/** Sends until the connection is closed; only what the peer says that it got counts. */
async function send(connection: Deno.TcpConn, rate: Rate): Promise<void> {
  const hearing = (async () => {
    const chunk = new Uint8Array(1_024);
    const decoder = new TextDecoder();
    let text = "", counted = 0;
    for (let length = await connection.read(chunk); length !== null; length = await connection.read(chunk)) {
      const said = (text + decoder.decode(chunk.subarray(0, length))).split("\n");
      text = said.pop()!.slice(-32);
      for (const line of said) {
        const bytes = Number(line);
        if (!Number.isSafeInteger(bytes) || bytes < counted) continue;
        rate.take(bytes - counted);
        counted = bytes;
      }
    }
  })().catch(() => {});
  try {
    for (;;) await writeAll(connection, CHUNK);
  } catch {
    // The end of the time.
  }
  await hearing;
}

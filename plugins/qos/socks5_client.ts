// Connects the box to the peer's service by the proxy's SOCKS5, over all links or over one alone.
import { closed, writeAll } from "./wire.ts";

/** Where the box's own SOCKS5 listens. */
export interface Proxy {
  address: string;
  port: number;
}

const LOOPBACK = [127, 0, 0, 1];

/**
 * Connects to a port of the peer's loopback (RFC 1928). With `link` the proxy is asked, by a login of that name (RFC 1929), to go
 * over that link alone.
 * @throws Error
 */
export async function connectToPeer(
  proxy: Proxy | undefined,
  port: number,
  signal: AbortSignal,
  link?: string,
): Promise<Deno.TcpConn> {
  if (!proxy) throw new Error("the proxy is not there");
  const connection = await Deno.connect({ hostname: proxy.address, port: proxy.port, signal });
  const stop = () => closed(connection);
  signal.addEventListener("abort", stop);
  try {
    connection.setNoDelay();
    const target = [5, 1, 0, 1, ...LOOPBACK, port >> 8, port & 255];
    const name = new TextEncoder().encode(link ?? "");
    await writeAll(
      connection,
      link === undefined
        ? Uint8Array.of(5, 1, 0, ...target)
        : Uint8Array.of(5, 1, 2, 1, name.length, ...name, 0, ...target),
    );
    const reply = new Uint8Array(link === undefined ? 12 : 14);
    for (let at = 0; at < reply.length;) {
      const count = await connection.read(reply.subarray(at));
      if (count === null) throw new Error("the proxy ended the connection");
      at += count;
    }
    if (reply[0] !== 5 || reply.at(-9) !== 0) throw new Error("the proxy refuses");
    return connection;
  } catch (error) {
    closed(connection);
    throw error;
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

// Resolvers as they are written in settings, and connections to them: through the proxy, or straight. TLS where a name says
// whom to expect (RFC 7858).
import { isIpv4 } from "@otb/plugin";
import { writeAll } from "./frames.ts";
import type { Connect } from "./way.ts";

const DNS_PORT = 53, DNS_OVER_TLS_PORT = 853;
const NAME = /^(?=.{1,253}$)((?!-)[a-z0-9-]{1,63}(?<!-))(\.(?!-)[a-z0-9-]{1,63}(?<!-))+$/;

/** A resolver. */
export interface Upstream {
  address: string;
  port: number;
  /** Its name, to be shown by its certificate; TCP in the clear when absent. */
  tlsName?: string;
}

/** Where the box's own SOCKS5 listens. */
export interface Proxy {
  address: string;
  port: number;
}

/** `9.9.9.9`, `9.9.9.9@5353`, `9.9.9.9#dns.quad9.net`, `9.9.9.9@853#dns.quad9.net`, as unbound.conf(5) has them; or undefined. */
export function parseUpstream(text: string): Upstream | undefined {
  const [, address = "", portText, tlsName] = /^([^@#]+)(?:@(\d{1,5}))?(?:#(.+))?$/.exec(text) ?? [];
  const port = portText ? Number(portText) : tlsName ? DNS_OVER_TLS_PORT : DNS_PORT;
  if (!isIpv4(address) || port < 1 || port > 65_535) return undefined;
  if (tlsName === undefined) return { address, port };
  return NAME.test(tlsName) ? { address, port, tlsName } : undefined;
}

/** Connects to a resolver through the proxy, or straight when there is none. */
export function connector(upstream: Upstream, proxy: () => Proxy | undefined, straight = false): Connect {
  const { address, port, tlsName } = upstream;
  return async (signal) => {
    const through = straight ? { address, port } : proxy();
    if (!through) throw new Error("the proxy is not there");
    const connection = await Deno.connect({ hostname: through.address, port: through.port, signal });
    connection.setNoDelay();
    // TLS takes the connection over: from then on it is what has to be closed.
    let current: Deno.Conn = connection;
    const stop = () => closed(current);
    signal.addEventListener("abort", stop);
    try {
      if (!straight) await socks5(connection, address, port);
      if (!tlsName) return connection;
      const tls = await Deno.startTls(connection, { hostname: tlsName });
      current = tls;
      signal.throwIfAborted();
      await tls.handshake();
      return tls;
    } catch (error) {
      closed(current);
      throw error;
    } finally {
      signal.removeEventListener("abort", stop);
    }
  };
}

/** CONNECT without a login (RFC 1928), greeting and request in one packet. */
async function socks5(connection: Deno.TcpConn, address: string, port: number): Promise<void> {
  const target = [...address.split(".").map(Number), port >> 8, port & 255];
  await writeAll(connection, Uint8Array.of(5, 1, 0, 5, 1, 0, 1, ...target));
  const reply = new Uint8Array(12);
  for (let at = 0; at < reply.length;) {
    const count = await connection.read(reply.subarray(at));
    if (count === null) throw new Error("the proxy ended the connection");
    at += count;
  }
  if (reply[0] !== 5 || reply[1] !== 0 || reply[3] !== 0) throw new Error("the proxy refuses");
}

function closed(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch {
    // The other end was faster.
  }
}

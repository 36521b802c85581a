// How TCP goes to the peer, and who may use that.
import * as z from "zod/mini";
import { fact, factOf, type FactValue } from "../fact.ts";

/** How new TCP connections of devices go to the peer; told by who intercepts them. */
export const TCP_WAY = fact(
  "tcp-way",
  z.object({
    /** `tunnel` while the proxy is out of order and the tunnel is not. */
    way: z.enum(["proxy", "tunnel"]),
    /** The peer's proxy takes connections; who is intercepted now is served by it. */
    isTaking: z.boolean(),
  }),
);
export type TcpWayFact = FactValue<typeof TCP_WAY>;

/** Where this box's own plugins reach the peer's Internet: SOCKS5 without a login, loopback only. */
export const SOCKS5 = fact("socks5", z.object({ address: z.string(), port: z.number() }));
export type Socks5Fact = FactValue<typeof SOCKS5>;

/** An address of the peer itself that boxes may dial through the proxy; a plugin in the cloud offers one of its own. */
export const PROXY_TARGET = factOf(
  "proxy-target",
  "plugin",
  z.object({
    /** An IPv4 address. */
    host: z.string(),
    port: z.number(),
  }),
);
export type ProxyTargetFact = FactValue<typeof PROXY_TARGET>;

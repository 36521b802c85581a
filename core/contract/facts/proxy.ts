// How TCP goes to the peer, and who may use that.

/** How new TCP connections of devices go to the peer. Published as the fact `tcp-way` by who intercepts them. */
export interface TcpWayFact {
  /** `tunnel` while the proxy is out of order and the tunnel is not. */
  way: "proxy" | "tunnel";
  /** The peer's proxy takes connections; who is intercepted now is served by it. */
  isTaking: boolean;
}

/** Where this box's own plugins reach the peer's Internet: SOCKS5 without a login, loopback only. Published as `socks5`. */
export interface Socks5Fact {
  address: string;
  port: number;
}

/** An address of the peer itself that boxes may dial through the proxy. Published in the cloud as `proxy-target/<name>`. */
export interface ProxyTargetFact {
  /** An IPv4 address. */
  host: string;
  port: number;
}

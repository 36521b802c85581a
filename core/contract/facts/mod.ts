// The facts that plugins share, a file a topic; those of one plugin alone stand in its own folder.
export * from "./clock.ts";
export * from "./device.ts";
export * from "./dhcp.ts";
export * from "./dns.ts";
export * from "./interface.ts";
export * from "./link.ts";
export * from "./listens.ts";
export * from "./path.ts";
export * from "./peer.ts";
export * from "./proxy.ts";
export * from "./tunnel.ts";

// On which TCP ports this end serves, for who lets others in.
import type { Facts, ListensFact, Zone } from "@otb/plugin";

/** Tells it; without ports, that there are none. */
export function serves({ facts }: { facts: Facts }, zone: Zone, ...ports: number[]): void {
  const services = ports.map((port) => ({ protocol: "tcp" as const, port, zones: [zone] }));
  facts.publish("listens/socks-proxy", ports.length > 0 ? { services } satisfies ListensFact : undefined);
}

// On which TCP ports this end serves, for who lets others in.
import { type Facts, LISTENS, type Zone } from "@otb/plugin";

/** Tells it; without ports, that there are none. */
export function serves(
  { facts, name }: { facts: Facts; name: string },
  zone: Zone,
  ...ports: number[]
): void {
  const services = ports.map((port) => ({ protocol: "tcp" as const, port, zones: [zone] }));
  facts.publish(LISTENS, name, ports.length > 0 ? { services } : undefined);
}

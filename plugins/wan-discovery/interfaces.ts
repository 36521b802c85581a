// Which interfaces a modem may be behind. Pure.
import type { NetworkInterface } from "../../core/plugin.ts";

/** What otb makes itself, what containers and virtual machines make. */
const NOT_OURS = /^(lo|otb|docker|br-|veth[0-9a-f]{6,}|virbr|tun|tap|wg|ifb|dummy)/;

/** An interface that can be asked. */
export interface Candidate {
  name: string;
  mac: string;
  carrier: boolean;
}

/** All interfaces that a modem may be behind; ports of a bridge are reached through the bridge, `ignored` are left out. */
export function candidates(interfaces: NetworkInterface[], ignored: readonly string[]): Candidate[] {
  return interfaces.flatMap(({ name, mac, carrier, ethernet, master }) =>
    ethernet && mac && master === undefined && !NOT_OURS.test(name) && !ignored.includes(name)
      ? [{ name, mac, carrier }]
      : []
  );
}

// Whose path of the tunnel comes from where, as the tunnel of this peer tells it. Pure.
import { type TunnelPathFact, unmappedAddress } from "@otb/plugin";

/** The paths of all boxes. */
export class Paths {
  /** By address and port; without a session where the tunnel tells none. */
  readonly #owners = new Map<string, string | undefined>();
  readonly #sessions = new Map<string, Set<string | undefined>>();

  constructor(facts: Iterable<TunnelPathFact>) {
    for (const { state, publicAddress, publicPort, session } of facts) {
      const address = publicAddress && unmappedAddress(publicAddress);
      if (!address || publicPort === undefined || state === "down") continue;
      this.#owners.set(pathKey(address, publicPort), session);
      this.#sessions.set(address, (this.#sessions.get(address) ?? new Set()).add(session));
    }
  }

  isOf(session: string, address: string, port: number): boolean {
    return this.#owners.get(pathKey(address, port)) === session;
  }

  /** Whether a box has a path at all under this session: only that box knows it. */
  has(session: string): boolean {
    return [...this.#owners.values()].includes(session);
  }

  /** Every session that comes from an address: more than one where boxes share it; undefined for one that is not told. */
  sessionsAt(address: string): ReadonlySet<string | undefined> {
    return this.#sessions.get(address) ?? new Set();
  }
}

/** Names one path. */
export function pathKey(address: string, port: number): string {
  return `${address} ${port}`;
}

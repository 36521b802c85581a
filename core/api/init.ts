// First steps of a new state directory: keys and the first revision, for a peer or for a box.
import type { Role } from "../plugin.ts";
import { OtbError } from "../plugin.ts";
import { Revisions } from "../config/revisions.ts";
import { Secrets } from "../config/secrets.ts";
import { openDatabase } from "../state/database.ts";
import { decodeJoinCode, encodeJoinCode } from "./join_code.ts";
import { makePlaces, type StatePlaces, statePlaces } from "./places.ts";
import { ensureTunnelKey } from "./tunnel_key.ts";

/** The secret that box and peer share: base64 of 32 random bytes. */
const PSK = "psk";

interface StoredPeer {
  name: string;
  address: string;
  port: number;
  /** Of the peer's tunnel, base64; on the box. */
  tunnelKey?: string;
}

/** Makes a peer: new keys and its own address; answers with the code for its box. @throws OtbError `already-initialised` */
export function initialiseCloud(
  stateDirectory: string,
  peer: { address: string; port: number },
): { joinCode: string } {
  const psk = btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(32))));
  const tunnelKey = initialise(stateDirectory, "cloud", { name: "cloud", ...peer }, psk);
  return { joinCode: encodeJoinCode({ ...peer, psk, tunnelKey }) };
}

/** Makes a box that knows its peer. @throws OtbError `already-initialised`, `join-code-invalid`, `join-code-outdated` */
export function initialiseBox(
  stateDirectory: string,
  { joinCode }: { joinCode: string },
): { peer: StoredPeer } {
  const { address, port, psk, tunnelKey } = decodeJoinCode(joinCode);
  const peer = { name: "cloud", address, port, tunnelKey };
  initialise(stateDirectory, "box", peer, psk);
  return { peer };
}

/** The join code of a peer once more; one that was set up before there was a tunnel gets its key now. @throws OtbError `not-a-cloud` */
export function joinCode(stateDirectory: string): string {
  const places = statePlaces(stateDirectory);
  requireInitialised(places);
  const db = openDatabase(places.database);
  try {
    const { document } = new Revisions(db).inForce();
    const network = document.network as unknown as { role: Role; peers: StoredPeer[] };
    if (network.role !== "cloud") {
      throw new OtbError(
        "not-a-cloud",
        `Cannot print a join code as the role must be "cloud": current value is "${network.role}"`,
      );
    }
    const { address, port } = network.peers[0]!;
    const secrets = new Secrets(places.secrets);
    return encodeJoinCode({ address, port, psk: secrets.get(PSK)!, tunnelKey: ensureTunnelKey(secrets) });
  } finally {
    db.close();
  }
}

/** @throws OtbError `not-initialised` */
export function requireInitialised(places: StatePlaces): void {
  try {
    Deno.statSync(places.database);
  } catch {
    throw new OtbError(
      "not-initialised",
      `Cannot use the state directory as nothing was set up there: current value is "${places.state}"`,
      'Run "otb init cloud" on the peer, then "otb init box" here; --state names another directory.',
    );
  }
}

/** Gives the public key of this end's own tunnel. */
function initialise(stateDirectory: string, role: Role, peer: StoredPeer, psk: string): string {
  const places = statePlaces(stateDirectory);
  makePlaces(places);
  const db = openDatabase(places.database);
  try {
    const revisions = new Revisions(db);
    if (revisions.newest()) {
      throw new OtbError(
        "already-initialised",
        `Cannot set up a new ${role} as this state directory is in use: current value is "${places.state}"`,
        "Choose another one with --state, or remove the old one first; its keys go with it.",
      );
    }
    const secrets = new Secrets(places.secrets);
    secrets.set(PSK, psk);
    const tunnelKey = ensureTunnelKey(secrets);
    revisions.append({
      document: { network: { role, peers: [{ ...peer }] }, plugins: {} },
      author: "otb init",
      comment: `set up as ${role}`,
      state: "confirmed",
    });
    return tunnelKey;
  } finally {
    db.close();
  }
}

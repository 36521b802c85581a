// First steps of a new state directory: keys and the first revision, for a peer or for a box.
import type { Role } from "../plugin.ts";
import { OtbError } from "../plugin.ts";
import { Revisions } from "../config/revisions.ts";
import { Secrets } from "../config/secrets.ts";
import { openDatabase } from "../state/database.ts";
import { decodeJoinCode, encodeJoinCode } from "./join_code.ts";
import { makePlaces, type StatePlaces, statePlaces } from "./places.ts";

/** The secret that box and peer share: base64 of 32 random bytes. */
const PSK = "psk";

interface StoredPeer {
  name: string;
  address: string;
  port: number;
}

/** Makes a peer: a new key and its own address; answers with the code for its box. @throws OtbError `already-initialised` */
export function initialiseCloud(
  stateDirectory: string,
  peer: { address: string; port: number },
): { joinCode: string } {
  const psk = btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(32))));
  const joinCode = encodeJoinCode({ ...peer, psk });
  initialise(stateDirectory, "cloud", { name: "cloud", ...peer }, psk);
  return { joinCode };
}

/** Makes a box that knows its peer. @throws OtbError `already-initialised`, `join-code-invalid` */
export function initialiseBox(
  stateDirectory: string,
  { joinCode }: { joinCode: string },
): { peer: StoredPeer } {
  const { address, port, psk } = decodeJoinCode(joinCode);
  const peer = { name: "cloud", address, port };
  initialise(stateDirectory, "box", peer, psk);
  return { peer };
}

/** The join code of a peer once more. @throws OtbError `not-a-cloud` */
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
    return encodeJoinCode({ address, port, psk: new Secrets(places.secrets).get(PSK)! });
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

function initialise(stateDirectory: string, role: Role, peer: StoredPeer, psk: string): void {
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
    new Secrets(places.secrets).set(PSK, psk);
    revisions.append({
      document: { network: { role, peers: [{ ...peer }] }, plugins: {} },
      author: "otb init",
      comment: `set up as ${role}`,
      state: "confirmed",
    });
  } finally {
    db.close();
  }
}

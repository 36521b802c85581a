// First steps of a new state directory: keys and the first revision, for a peer or for a box.
import type { Role } from "../contract/mod.ts";
import { OtbError } from "../contract/mod.ts";
import { Revisions } from "../config/revisions.ts";
import { Secrets } from "../config/secrets.ts";
import { openDatabase } from "../state/database.ts";
import { Boxes, firstBox } from "./boxes.ts";
import { storeKeys } from "./join.ts";
import { decodeJoinCode } from "./join_code.ts";
import { makeDirectories, type StatePaths, statePaths } from "./paths.ts";
import { ensureTunnelKey } from "./tunnel_key.ts";

interface StoredPeer {
  name: string;
  address: string;
  port: number;
  /** Of the peer's tunnel, base64; on the box. */
  tunnelKey?: string;
}

/** Makes a peer with its first box: new keys and its own address; answers with the code for that box. @throws OtbError `already-initialised`, `box-name-invalid` */
export function initialiseCloud(
  stateDirectory: string,
  peer: { address: string; port: number },
  box = "box",
): { joinCode: string } {
  const secrets = initialise(
    stateDirectory,
    "cloud",
    { name: "cloud", ...peer },
    (secrets) => firstBox(secrets, box),
  );
  return {
    joinCode: new Boxes(secrets, () => ({ role: "cloud", peers: [{ name: "cloud", ...peer }] })).code(),
  };
}

/** Makes a box that knows its peer. @throws OtbError `already-initialised`, `join-code-invalid`, `join-code-outdated` */
export function initialiseBox(
  stateDirectory: string,
  { joinCode }: { joinCode: string },
): { peer: StoredPeer } {
  const { psk, peerKey, ...code } = decodeJoinCode(joinCode);
  const peer = { name: "cloud", ...code };
  initialise(stateDirectory, "box", peer, (secrets) => storeKeys(secrets, { psk, peerKey }));
  return { peer };
}

/** @throws OtbError `not-initialised` */
export function requireInitialised(paths: StatePaths): void {
  try {
    Deno.statSync(paths.database);
  } catch {
    throw new OtbError(
      "not-initialised",
      `Cannot use the state directory as nothing was set up there: current value is "${paths.state}"`,
      'Run "otb init cloud" on the peer, then "otb init box" here; --state names another directory.',
    );
  }
}

/** `makeKeys` may still refuse: then nothing was set up. */
function initialise(
  stateDirectory: string,
  role: Role,
  peer: StoredPeer,
  makeKeys: (secrets: Secrets) => void,
): Secrets {
  const paths = statePaths(stateDirectory);
  makeDirectories(paths);
  const db = openDatabase(paths.database);
  try {
    const revisions = new Revisions(db);
    if (revisions.newest()) {
      throw new OtbError(
        "already-initialised",
        `Cannot set up a new ${role} as this state directory is in use: current value is "${paths.state}"`,
        role === "box"
          ? "To join again and keep the settings: sudo otb peer join -; or choose another directory with --state."
          : "Choose another one with --state, or remove the old one first; its keys go with it.",
      );
    }
    const secrets = new Secrets(paths.secrets);
    makeKeys(secrets);
    ensureTunnelKey(secrets);
    revisions.append({
      document: { network: { role, peers: [{ ...peer }] }, plugins: {} },
      author: "otb init",
      via: "core",
      comment: `set up as ${role}`,
      state: "confirmed",
    });
    return secrets;
  } finally {
    db.close();
  }
}

// A box and the peer that it joined: the first time, and again with another code while settings stay.
import type { Secrets } from "../config/secrets.ts";
import type { Core, ProposalResult } from "../client/types.ts";
import { type Json, type Network, OtbError } from "../contract/mod.ts";
import { decodeJoinCode, type JoinCode } from "./join_code.ts";

/** Secrets of a box: its own key, and the peer's, by which it says who it is (absent: joined by a code of before). */
const KEY = "psk", PEER_KEY = "peer-key";
/** Who knows one of these uses the peer, and must begin anew when it is another one or has another key. */
export const BOX_SECRETS = [KEY, PEER_KEY];

/** Stores what only box and peer know. */
export function storeKeys(secrets: Secrets, { psk, peerKey }: Pick<JoinCode, "psk" | "peerKey">): void {
  secrets.set(KEY, psk);
  if (peerKey === undefined) secrets.delete(PEER_KEY);
  else secrets.set(PEER_KEY, peerKey);
}

/**
 * Takes another join code on a box that has its settings: the peer's address changes where the code has another one.
 *
 * @param secrets of the box
 * @param network as it is
 * @param propose how settings change
 * @throws OtbError `not-a-box`, `join-code-invalid` and others of the code, and what the settings are refused for
 */
export async function rejoin(
  secrets: Secrets,
  network: Pick<Network, "role" | "peers">,
  propose: Core["propose"],
  joinCode: string,
): Promise<Network["peers"][number]> {
  if (network.role !== "box") {
    throw new OtbError(
      "not-a-box",
      `Cannot join a peer as only a box does: current value is a ${network.role}`,
      "Run it on the box.",
    );
  }
  const { psk, peerKey, ...code } = decodeJoinCode(joinCode);
  const peer = { name: network.peers[0]?.name ?? "cloud", ...code };
  const patch = { network: { peers: [peer] as unknown as Json } };
  const result: ProposalResult = await propose({ patch, comment: "joined with another code", confirm: true });
  const [problem] = result.problems;
  if (problem) throw new OtbError(problem.code, problem.message, problem.next);
  storeKeys(secrets, { psk, peerKey });
  return peer;
}

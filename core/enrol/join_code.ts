// The one line that carries a new box everything it must know of its peer: address, port and keys, with a checksum.
import { createHash } from "node:crypto";
import ipaddr from "ipaddr.js";
import { OtbError } from "../contract/mod.ts";

const PREFIX = "otb3-";
/** Codes of before each box had a key: one key for all of them, and none of the peer. */
const SHARED_PREFIX = "otb2-";
/** Codes of before there was a tunnel: without its key. */
const OUTDATED_PREFIX = "otb1-";
const PORT = 2, KEY = 32, CHECKSUM = 4;

/** What a join code holds; keys are base64 of 32 bytes. */
export interface JoinCode {
  address: string;
  port: number;
  /** Known to the peer and this box. */
  psk: string;
  /** The peer's, by which boxes say who they are (SIP023's identity key); absent in a code of before each box had its own. */
  peerKey?: string;
  /** The public key of the peer's tunnel (X25519). */
  tunnelKey: string;
}

/**
 * `otb3-` and base64url without padding of: port u16be, the box's key, the peer's key, the public key of the tunnel, each 32
 * bytes, address 4 or 16 bytes, first 4 bytes of their SHA-256. `otb2-` is the same without the peer's key.
 */
export function encodeJoinCode({ address, port, psk, peerKey, tunnelKey }: JoinCode): string {
  const body = new Uint8Array([
    port >> 8,
    port & 255,
    ...[psk, peerKey, tunnelKey].flatMap((key) => key === undefined ? [] : [...Uint8Array.fromBase64(key)]),
    ...ipaddr.parse(address).toByteArray(),
  ]);
  return (peerKey === undefined ? SHARED_PREFIX : PREFIX) +
    new Uint8Array([...body, ...checksum(body)]).toBase64({ alphabet: "base64url", omitPadding: true });
}

/**
 * Reads a code; white space in it is nothing, wherever a terminal or a mail broke the line.
 *
 * @throws OtbError `join-code-invalid`, `join-code-incomplete`, `join-code-outdated`; the code itself is never repeated in the
 * message, as it is a secret
 */
export function decodeJoinCode(text: string): JoinCode {
  const refuse = (rule: string, code = "join-code-invalid") =>
    new OtbError(
      code,
      `Cannot join as the code ${rule}`,
      'Copy the whole code that "otb init cloud" or "otb peer box add" printed on the peer.',
    );
  const bare = text.replace(/[\s\u200b-\u200d\u2060]+/g, "");
  if (bare.startsWith(OUTDATED_PREFIX)) {
    throw new OtbError(
      "join-code-outdated",
      `Cannot join as the code must have the key of the peer's tunnel: current value is of an earlier otb and starts with "${OUTDATED_PREFIX}"`,
      "Make a new one on the peer: sudo otb peer box add NAME",
    );
  }
  // Cut within its first letters.
  if (bare !== "" && [PREFIX, SHARED_PREFIX].some((prefix) => prefix.startsWith(bare))) {
    throw refuse("is not complete", "join-code-incomplete");
  }
  const isShared = bare.startsWith(SHARED_PREFIX);
  if (!isShared && !bare.startsWith(PREFIX)) throw refuse(`must start with "${PREFIX}"`);
  const rest = bare.slice(PREFIX.length);
  if (!/^[\w-]*$/.test(rest)) throw refuse("must hold only letters, digits, - and _ after its beginning");
  const fixed = PORT + (isShared ? 2 : 3) * KEY;
  // One character alone is no byte: a code that was cut there.
  const bytes = Uint8Array.fromBase64(rest.length % 4 === 1 ? rest.slice(0, -1) : rest, {
    alphabet: "base64url",
  });
  const address = rest.length % 4 === 1 ? -1 : bytes.length - fixed - CHECKSUM;
  if (address > 16) throw refuse("is longer than any");
  if (address !== 4 && address !== 16) throw refuse("is not complete", "join-code-incomplete");
  const body = bytes.subarray(0, -CHECKSUM);
  if (checksum(body).some((byte, index) => byte !== bytes[body.length + index])) {
    throw refuse("has a typing error in it");
  }
  const port = body[0]! * 256 + body[1]!;
  if (port === 0) throw refuse("names no port");
  const keys: string[] = [];
  for (let at = PORT; at < fixed; at += KEY) keys.push(body.subarray(at, at + KEY).toBase64());
  return {
    address: ipaddr.fromByteArray([...body.subarray(fixed)]).toString(),
    port,
    psk: keys[0]!,
    ...isShared ? {} : { peerKey: keys[1]! },
    tunnelKey: keys.at(-1)!,
  };
}

function checksum(body: Uint8Array): Uint8Array {
  return createHash("sha256").update(body).digest().subarray(0, CHECKSUM);
}

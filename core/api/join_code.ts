// The one line that carries a new box everything it must know of its peer: address, port and keys, with a checksum.
import { createHash } from "node:crypto";
import ipaddr from "ipaddr.js";
import { OtbError } from "../plugin.ts";

const PREFIX = "otb2-";
/** Codes of before there was a tunnel: without its key. */
const FORMER_PREFIX = "otb1-";
/** Bytes before the address: port and two keys; and of the checksum behind it. */
const FIXED = 2 + 32 + 32, CHECKSUM = 4;

/** What a join code holds; keys are base64 of 32 bytes. */
export interface JoinCode {
  address: string;
  port: number;
  /** Shared by peer and box. */
  psk: string;
  /** The public key of the peer's tunnel (X25519). */
  tunnelKey: string;
}

/**
 * `otb2-` and base64url without padding of: port u16be, shared key 32 bytes, public key of the tunnel 32 bytes, address 4 or
 * 16 bytes, first 4 bytes of their SHA-256.
 */
export function encodeJoinCode({ address, port, psk, tunnelKey }: JoinCode): string {
  const body = new Uint8Array([
    port >> 8,
    port & 255,
    ...fromBase64(psk),
    ...fromBase64(tunnelKey),
    ...ipaddr.parse(address).toByteArray(),
  ]);
  return PREFIX + toBase64(new Uint8Array([...body, ...checksum(body)]))
    .replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** @throws OtbError `join-code-invalid`, `join-code-outdated`; the code itself is never repeated in the message, as it is a secret */
export function decodeJoinCode(text: string): JoinCode {
  const refuse = (rule: string) =>
    new OtbError(
      "join-code-invalid",
      `Cannot join as the code ${rule}`,
      'Copy the whole line that "otb init cloud" printed.',
    );
  const trimmed = text.trim();
  if (trimmed.startsWith(FORMER_PREFIX)) {
    throw new OtbError(
      "join-code-outdated",
      `Cannot join as the code must have the key of the peer's tunnel: current value is of an earlier otb and starts with "${FORMER_PREFIX}"`,
      "Print a new one on the peer: sudo otb init code",
    );
  }
  if (!trimmed.startsWith(PREFIX)) throw refuse(`must start with "${PREFIX}"`);
  let bytes: Uint8Array;
  try {
    bytes = fromBase64(trimmed.slice(PREFIX.length).replaceAll("-", "+").replaceAll("_", "/"));
  } catch {
    throw refuse("must hold only letters, digits, - and _ after its beginning");
  }
  if (![4, 16].includes(bytes.length - FIXED - CHECKSUM)) throw refuse("is not complete");
  const body = bytes.subarray(0, -CHECKSUM);
  if (checksum(body).some((byte, index) => byte !== bytes[body.length + index])) {
    throw refuse("has a typing error in it");
  }
  const port = body[0]! * 256 + body[1]!;
  if (port === 0) throw refuse("names no port");
  return {
    address: ipaddr.fromByteArray([...body.subarray(FIXED)]).toString(),
    port,
    psk: toBase64(body.subarray(2, 34)),
    tunnelKey: toBase64(body.subarray(34, FIXED)),
  };
}

function checksum(body: Uint8Array): Uint8Array {
  return createHash("sha256").update(body).digest().subarray(0, CHECKSUM);
}

function toBase64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}

function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

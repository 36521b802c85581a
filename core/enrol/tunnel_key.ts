// The key pair of this end's tunnel (X25519, RFC 7748): the private half is a secret of this machine, the public one goes to
// the other end.
import { createPrivateKey, createPublicKey, generateKeyPairSync } from "node:crypto";
import type { Secrets } from "../config/secrets.ts";

/** The secret's name; its value is base64 of the 32 private bytes. */
const TUNNEL_KEY = "tunnel-key";
/** What stands before the 32 bytes of an X25519 key in PKCS #8 (RFC 8410 section 7). */
const PKCS8_HEAD = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x6e, 4, 0x22, 4, 0x20];

/** Makes the key where there is none yet, as on a machine that was set up before there was a tunnel; gives the public half, base64. */
export function ensureTunnelKey(secrets: Secrets): string {
  let key = secrets.get(TUNNEL_KEY);
  if (key === undefined) {
    const { privateKey } = generateKeyPairSync("x25519");
    key = lastBytes(privateKey.export({ type: "pkcs8", format: "der" }));
    secrets.set(TUNNEL_KEY, key);
  }
  return publicKeyOf(key);
}

/** The public half of a private key, both base64 of 32 bytes. */
export function publicKeyOf(privateKey: string): string {
  const key = createPrivateKey({
    key: Uint8Array.from([...PKCS8_HEAD, ...Uint8Array.fromBase64(privateKey)]) as never,
    format: "der",
    type: "pkcs8",
  });
  return lastBytes(createPublicKey(key).export({ type: "spki", format: "der" }));
}

function lastBytes(der: Uint8Array): string {
  return new Uint8Array(der.subarray(-32)).toBase64();
}

// For tests only: Noise_IKpsk2_25519_AESGCM_SHA256 as its specification describes it, on node:crypto, without the library.
import * as node from "node:crypto";

type Bytes = Uint8Array<ArrayBuffer>;
const bytes = (text: string): Bytes => new TextEncoder().encode(text);
/** RFC 7748, section 6.1. */
const BASE_POINT = new Uint8Array(32).fill(9, 0, 1);

/** All parts in one. */
export const join = (...parts: Uint8Array[]): Bytes => new Uint8Array(Buffer.concat(parts));

function pair(): { privateKey: Bytes; publicKey: Bytes } {
  const privateKey = crypto.getRandomValues(new Uint8Array(32));
  return { privateKey, publicKey: x25519(privateKey, BASE_POINT) };
}

/** X25519 of node:crypto, from raw keys (RFC 8410 gives the prefixes). */
export function x25519(privateKey: Uint8Array, publicKey: Uint8Array): Bytes {
  const der = (prefix: string, key: Uint8Array) => Buffer.concat([Buffer.from(prefix, "hex"), key]);
  const own = der("302e020100300506032b656e04220420", privateKey);
  const other = der("302a300506032b656e032100", publicKey);
  return new Uint8Array(node.diffieHellman({
    privateKey: node.createPrivateKey({ key: own, format: "der", type: "pkcs8" }),
    publicKey: node.createPublicKey({ key: other, format: "der", type: "spki" }),
  }));
}

/** An initiator as section 5 of the specification describes it, made without the library. */
export function independentInitiator(own: Bytes, remote: Bytes, psk: Bytes, prologue: Bytes) {
  const hash = (...parts: Uint8Array[]) =>
    new Uint8Array(node.createHash("sha256").update(join(...parts)).digest());
  const hmac = (key: Uint8Array, data: Uint8Array) =>
    new Uint8Array(node.createHmac("sha256", key).update(data).digest());
  const hkdf = (ck: Uint8Array, input: Uint8Array) => {
    const temp = hmac(ck, input), one = hmac(temp, Uint8Array.of(1));
    const two = hmac(temp, join(one, Uint8Array.of(2)));
    return [one, two, hmac(temp, join(two, Uint8Array.of(3)))] as const;
  };
  let h: Bytes = bytes("Noise_IKpsk2_25519_AESGCM_SHA256"), ck = h, k = new Uint8Array(32), n = 0;
  const mixHash = (data: Uint8Array) => void (h = hash(h, data));
  const mixKey = (input: Uint8Array) => void ([ck, k] = hkdf(ck, input), n = 0);
  const nonce = () => {
    const twelve = new Uint8Array(12);
    new DataView(twelve.buffer).setUint32(8, n++);
    return twelve;
  };
  const seal = (plain: Uint8Array) => {
    const cipher = node.createCipheriv("aes-256-gcm", k, nonce()).setAAD(h);
    const sealed = join(cipher.update(plain), cipher.final(), cipher.getAuthTag());
    mixHash(sealed);
    return sealed;
  };
  const ephemeral = pair();
  mixHash(prologue);
  mixHash(remote);
  return {
    ephemeralKey: ephemeral.publicKey,
    first(payload: Bytes): Bytes {
      mixHash(ephemeral.publicKey);
      mixKey(ephemeral.publicKey);
      mixKey(x25519(ephemeral.privateKey, remote));
      const sealedStatic = seal(x25519(own, BASE_POINT));
      mixKey(x25519(own, remote));
      return join(ephemeral.publicKey, sealedStatic, seal(payload));
    },
    second(message: Bytes): Bytes {
      const theirs = message.subarray(0, 32), sealed = message.subarray(32);
      mixHash(theirs);
      mixKey(theirs);
      mixKey(x25519(ephemeral.privateKey, theirs));
      mixKey(x25519(own, theirs));
      const [next, toHash, key] = hkdf(ck, psk);
      [ck, k, n] = [next, key, 0];
      mixHash(toHash);
      const cipher = node.createDecipheriv("aes-256-gcm", k, nonce()).setAAD(h);
      cipher.setAuthTag(sealed.subarray(-16));
      return join(cipher.update(sealed.subarray(0, -16)), cipher.final());
    },
    /** The keys of both directions: to the responder, and from it. */
    split: (): [Bytes, Bytes] => {
      const [to, from] = hkdf(ck, new Uint8Array(0));
      return [to, from];
    },
  };
}

// Keeps strangers from costing the peer work: it looks at a handshake only with proof that the sender knows its public key,
// and in a flood only with proof that the sender is where it says it is (as WireGuard does it, section 5.4.4 of its paper).
import { ADDRESS_BYTES, type Native } from "../../../core/native/ffi.ts";
import { joined as join } from "./identity.ts";
import { COOKIE } from "../wire.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Both proofs at the end of an initiation. */
export const MAC_BYTES = 16, MACS_BYTES = 2 * MAC_BYTES;
const COOKIE_KEY_BYTES = 32, NONCE_BYTES = 16;
/** Type, three zeros, the receiver's index, nonce, sealed cookie, its tag. */
export const COOKIE_BYTES = 8 + NONCE_BYTES + COOKIE_KEY_BYTES + MAC_BYTES;
/** A cookie is good for one to two of these. */
const LIFETIME_MS = 60_000;

const label = (text: string) => new TextEncoder().encode(text);

/** What both sides can do who know the peer's public key. */
class Proofs {
  protected readonly first: Bytes;
  protected readonly sealing: Bytes;

  constructor(protected readonly native: Native, peerKey: Bytes) {
    this.first = native.mac(peerKey, label("otb tunnel proof"));
    this.sealing = native.mac(peerKey, label("otb tunnel cookie"));
  }

  /** Mask and tag of a sealed cookie: BLAKE3 as a pseudorandom function, encrypt then authenticate. */
  protected mask(nonce: Bytes, proof: Bytes): Bytes {
    return this.native.mac(this.sealing, join(label("mask"), nonce, proof));
  }

  protected tag(nonce: Bytes, sealed: Bytes, proof: Bytes): Bytes {
    return this.native.mac(this.sealing, join(label("tag"), nonce, sealed, proof)).subarray(0, MAC_BYTES);
  }
}

/** The box's side. */
export class Prover extends Proofs {
  #cookie: Bytes | undefined;
  #cookieMs = 0;
  #lastProof: Bytes | undefined;

  /** Writes both proofs into the last MACS_BYTES of an initiation. */
  prove(message: Bytes, nowMs: number): void {
    const end = message.length;
    const proof = this.native.mac(this.first, message.slice(0, end - MACS_BYTES)).subarray(0, MAC_BYTES);
    message.set(proof, end - MACS_BYTES);
    this.#lastProof = proof;
    const isFresh = this.#cookie && nowMs - this.#cookieMs < LIFETIME_MS;
    if (!isFresh) return;
    message.set(
      this.native.mac(this.#cookie!, message.slice(0, end - MAC_BYTES)).subarray(0, MAC_BYTES),
      end - MAC_BYTES,
    );
  }

  /** Takes a cookie that answers the last initiation. @returns false when it does not */
  take(message: Bytes, nowMs: number): boolean {
    const proof = this.#lastProof;
    if (message.length !== COOKIE_BYTES || !proof) return false;
    const nonce = message.slice(8, 8 + NONCE_BYTES);
    const sealed = message.slice(8 + NONCE_BYTES, -MAC_BYTES);
    if (!this.native.equal(this.tag(nonce, sealed, proof), message.slice(-MAC_BYTES))) return false;
    const mask = this.mask(nonce, proof);
    this.#cookie = sealed.map((byte, index) => byte ^ mask[index]!);
    this.#cookieMs = nowMs;
    return true;
  }
}

/** The peer's side. */
export class Verifier extends Proofs {
  #secret: Bytes;
  #former: Bytes;
  #secretMs = -Infinity;

  constructor(native: Native, peerKey: Bytes) {
    super(native, peerKey);
    this.#secret = this.#former = native.random(new Uint8Array(32));
  }

  /** Whether the sender knows the peer's public key. */
  isKnowing(message: Bytes): boolean {
    const end = message.length;
    const proof = this.native.mac(this.first, message.slice(0, end - MACS_BYTES)).subarray(0, MAC_BYTES);
    return this.native.equal(proof, message.slice(end - MACS_BYTES, end - MAC_BYTES));
  }

  /** Whether the sender got the cookie that was sent to this address. */
  isThere(message: Bytes, remote: Bytes, nowMs: number): boolean {
    this.#renew(nowMs);
    const end = message.length;
    const said = message.slice(end - MAC_BYTES);
    return [this.#secret, this.#former].some((secret) => {
      const cookie = this.native.mac(secret, remote.slice(0, ADDRESS_BYTES));
      return this.native.equal(
        this.native.mac(cookie, message.slice(0, end - MAC_BYTES)).subarray(0, MAC_BYTES),
        said,
      );
    });
  }

  /** The cookie for who sent this initiation. @param senderIndex as it stands there */
  cookie(message: Bytes, senderIndex: number, remote: Bytes, nowMs: number): Bytes {
    this.#renew(nowMs);
    const end = message.length;
    const proof = message.slice(end - MACS_BYTES, end - MAC_BYTES);
    const nonce = this.native.random(new Uint8Array(NONCE_BYTES));
    const mask = this.mask(nonce, proof);
    const sealed = this.native.mac(this.#secret, remote.slice(0, ADDRESS_BYTES)).map((byte, index) =>
      byte ^ mask[index]!
    );
    const head = new Uint8Array(8);
    head[0] = COOKIE;
    new DataView(head.buffer).setUint32(4, senderIndex, true);
    return join(head, nonce, sealed, this.tag(nonce, sealed, proof));
  }

  #renew(nowMs: number): void {
    const ageMs = nowMs - this.#secretMs;
    if (ageMs < LIFETIME_MS) return;
    // A secret that nobody asked for meanwhile has had its time all the same.
    this.#former = ageMs < 2 * LIFETIME_MS ? this.#secret : this.native.random(new Uint8Array(32));
    this.#secret = this.native.random(new Uint8Array(32));
    this.#secretMs = nowMs;
  }
}

/** Lets so many handshakes through in a second before it calls them a flood. */
export class Flood {
  #tokens: number;
  #atMs = 0;

  constructor(private readonly perSecond: number) {
    this.#tokens = perSecond;
  }

  /** Counts one. @returns true when there are too many */
  isOn(nowMs: number): boolean {
    this.#tokens = Math.min(this.perSecond, this.#tokens + (nowMs - this.#atMs) / 1000 * this.perSecond);
    this.#atMs = nowMs;
    if (this.#tokens < 1) return true;
    this.#tokens--;
    return false;
  }
}

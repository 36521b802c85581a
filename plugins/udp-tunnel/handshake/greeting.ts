// What the two ends say to each other inside the handshake: who asks, for which session, and what the box gets for it. Pure.

type Bytes = Uint8Array<ArrayBuffer>;

const VERSION = 2, HAS_PREFIX = 1;
export const SESSION_ID_BYTES = 8, BOX_ID_BYTES = 16, PROOF_BYTES = 16;
const SESSION_AT = 4, COUNTER_AT = 12, BOX_AT = 20;
/** Where the proof stands: it is over all before. */
export const PROOF_AT = BOX_AT + BOX_ID_BYTES;
/** So long that an answer is never longer than its question. */
export const HELLO_BYTES = 64;
/** Version, flags, two zeros, the session's id at the peer, the box's and the peer's IPv4 address inside, the prefix. */
export const WELCOME_BYTES = 28;

/** The greeting of before there was a key per box. Whoever knows both sends it with a mark that ends of that time do not look at. */
export const FORMER_VERSION = 1, KNOWS_NEWER = 2;

/** What a box says of itself. */
export interface Hello {
  /** Random; the same for new keys of a running session. */
  sessionId: Bytes;
  /** Grows with every question of this box. */
  counter: bigint;
  /** Which box it is: the first 16 bytes of BLAKE3 of its key. */
  boxId: Bytes;
}

/** What the peer gives a box. */
export interface Welcome {
  /** Another one than before: the peer begins the session anew. */
  peerId: Bytes;
  /** Inside the tunnel, IPv4. */
  address: Bytes;
  gateway: Bytes;
  /** The upper 64 bits of the LAN's IPv6 prefix. */
  prefix?: Bytes;
}

/** The box's first word, with room for the proof at PROOF_AT. */
export function encodeHello({ sessionId, counter, boxId }: Hello): Bytes {
  const out = new Uint8Array(HELLO_BYTES);
  out[0] = VERSION;
  out.set(sessionId, SESSION_AT);
  new DataView(out.buffer).setBigUint64(COUNTER_AT, counter, true);
  out.set(boxId, BOX_AT);
  return out;
}

/** @returns undefined for what is no greeting of this version */
export function decodeHello(bytes: Bytes): Hello & { proof: Bytes } | undefined {
  if (bytes.length !== HELLO_BYTES || bytes[0] !== VERSION) return undefined;
  return {
    sessionId: bytes.slice(SESSION_AT, SESSION_AT + SESSION_ID_BYTES),
    counter: new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(COUNTER_AT, true),
    boxId: bytes.slice(BOX_AT, BOX_AT + BOX_ID_BYTES),
    proof: bytes.slice(PROOF_AT, PROOF_AT + PROOF_BYTES),
  };
}

/** The former greeting, from a box that only wants to know who answers it. */
export function encodeFormerHello(sessionId: Bytes): Bytes {
  const out = new Uint8Array(HELLO_BYTES);
  out[0] = FORMER_VERSION;
  out[1] = KNOWS_NEWER;
  out.set(sessionId, SESSION_AT);
  return out;
}

/** Whether a box that knows no better sent this. */
export function isFormerHello(bytes: Bytes): boolean {
  return bytes.length === HELLO_BYTES && bytes[0] === FORMER_VERSION && (bytes[1]! & KNOWS_NEWER) === 0;
}

export function encodeWelcome({ peerId, address, gateway, prefix }: Welcome, version = VERSION): Bytes {
  const out = new Uint8Array(WELCOME_BYTES);
  out[0] = version;
  out[1] = prefix ? HAS_PREFIX : 0;
  out.set(peerId, 4);
  out.set(address, 12);
  out.set(gateway, 16);
  if (prefix) out.set(prefix, 20);
  return out;
}

/** @returns undefined for what is no welcome of that version */
export function decodeWelcome(bytes: Bytes, version = VERSION): Welcome | undefined {
  if (bytes.length !== WELCOME_BYTES || bytes[0] !== version) return undefined;
  return {
    peerId: bytes.slice(4, 12),
    address: bytes.slice(12, 16),
    gateway: bytes.slice(16, 20),
    prefix: (bytes[1]! & HAS_PREFIX) !== 0 ? bytes.slice(20, 28) : undefined,
  };
}

// What the two ends say to each other inside the handshake: which session it is for, and what the box gets for it. Pure.

type Bytes = Uint8Array<ArrayBuffer>;

const VERSION = 1, HAS_PREFIX = 1;
export const SESSION_ID_BYTES = 8;
/** Version, flags, two zeros, the session's id, room. */
export const HELLO_BYTES = 64;
/** Version, flags, two zeros, the peer's own id, the box's and the peer's IPv4 address inside, the prefix. */
export const WELCOME_BYTES = 28;

/** What the peer gives a box. */
export interface Welcome {
  /** Another one than before: the peer started anew, and the session with it. */
  peerId: Bytes;
  /** Inside the tunnel, IPv4. */
  address: Bytes;
  gateway: Bytes;
  /** The upper 64 bits of the LAN's IPv6 prefix. */
  prefix?: Bytes;
}

/** The box's first word. @param sessionId random; the same for new keys of a running session */
export function encodeHello(sessionId: Bytes): Bytes {
  const out = new Uint8Array(HELLO_BYTES);
  out[0] = VERSION;
  out.set(sessionId, 4);
  return out;
}

/** @returns the session's id; undefined for what is no greeting of this version */
export function decodeHello(bytes: Bytes): Bytes | undefined {
  if (bytes.length < 4 + SESSION_ID_BYTES || bytes[0] !== VERSION) return undefined;
  return bytes.slice(4, 4 + SESSION_ID_BYTES);
}

export function encodeWelcome({ peerId, address, gateway, prefix }: Welcome): Bytes {
  const out = new Uint8Array(WELCOME_BYTES);
  out[0] = VERSION;
  out[1] = prefix ? HAS_PREFIX : 0;
  out.set(peerId, 4);
  out.set(address, 12);
  out.set(gateway, 16);
  if (prefix) out.set(prefix, 20);
  return out;
}

export function decodeWelcome(bytes: Bytes): Welcome | undefined {
  if (bytes.length < WELCOME_BYTES || bytes[0] !== VERSION) return undefined;
  return {
    peerId: bytes.slice(4, 12),
    address: bytes.slice(12, 16),
    gateway: bytes.slice(16, 20),
    prefix: (bytes[1]! & HAS_PREFIX) !== 0 ? bytes.slice(20, 28) : undefined,
  };
}

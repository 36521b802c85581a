// The one door to libotb_native.so: which library is loaded, the typed entry points, and the binary records that cross.
// Longer than other files since it is the whole interface of the crate; each section mirrors one Rust file.
//
// Three rules hold everywhere. Setup calls throw OtbError; calls of the hot path (read, write, wait, seal, open, send,
// receive) return a count or a negative errno, so that a relay pays neither exceptions nor allocation. Buffers are
// borrowed for the call only, except by `Poll.waitAsync`. Numbers in binary records are in host order (little-endian).
import { Buffer } from "node:buffer";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import ipaddr from "ipaddr.js";
import { OtbError } from "../contract/mod.ts";

const SYMBOLS = {
  otb_listen: { parameters: ["buffer", "u32", "u32"], result: "i32" },
  otb_accept: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  otb_connect: { parameters: ["buffer", "buffer", "buffer", "u32", "u32", "u32"], result: "i32" },
  otb_socket_name: { parameters: ["i32", "u32", "buffer"], result: "i32" },
  otb_read: { parameters: ["i32", "buffer", "u32", "u32"], result: "i32" },
  otb_write: { parameters: ["i32", "buffer", "u32", "u32"], result: "i32" },
  otb_write_more: { parameters: ["i32", "buffer", "u32", "u32"], result: "i32" },
  otb_shutdown: { parameters: ["i32", "u32"], result: "i32" },
  otb_close: { parameters: ["i32", "u32"], result: "i32" },
  otb_descriptors: { parameters: ["u32"], result: "i32" },
  otb_option_get: { parameters: ["i32", "i32", "i32"], result: "i32" },
  otb_option_set: { parameters: ["i32", "i32", "i32", "i32"], result: "i32" },
  otb_congestion_set: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  otb_tcp_info: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  otb_unsent: { parameters: ["i32"], result: "i32" },
  otb_unconfirmed: { parameters: ["i32"], result: "i32" },
  otb_mptcp_info: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  otb_poll_create: { parameters: ["buffer"], result: "i32" },
  otb_poll_add: { parameters: ["i32", "i32", "u32", "u32"], result: "i32" },
  otb_poll_set: { parameters: ["i32", "i32", "u32", "u32"], result: "i32" },
  otb_poll_remove: { parameters: ["i32", "i32"], result: "i32" },
  otb_poll_wait: { parameters: ["i32", "buffer", "u32", "i32", "u32"], result: "i32" },
  otb_poll_wait_async: {
    name: "otb_poll_wait",
    parameters: ["i32", "buffer", "u32", "i32", "u32"],
    result: "i32",
    nonblocking: true,
  },
  otb_poll_wake: { parameters: ["i32"], result: "i32" },
  otb_aead_new: { parameters: ["u32", "buffer", "u32", "buffer", "u32"], result: "pointer" },
  otb_aead_free: { parameters: ["pointer"], result: "void" },
  otb_aead_seal_one: { parameters: ["pointer", "buffer", "u32", "u32", "buffer", "u32"], result: "i32" },
  otb_aead_open_one: { parameters: ["pointer", "buffer", "u32", "u32", "buffer", "u32"], result: "i32" },
  otb_aead_seal_frames: { parameters: ["pointer", "buffer", "u32", "u32", "buffer", "u32"], result: "i32" },
  otb_aead_open_frames: {
    parameters: ["pointer", "buffer", "u32", "u32", "buffer", "u32", "u32"],
    result: "i32",
  },
  otb_aead_ended: { parameters: ["pointer"], result: "i32" },
  otb_random: { parameters: ["buffer", "u32"], result: "i32" },
  otb_identity: { parameters: ["buffer", "buffer", "buffer", "u32"], result: "i32" },
  otb_clock_adjust: { parameters: ["i64", "u32"], result: "i32" },
  otb_tcp_diag: { parameters: ["u32", "u32", "u32", "buffer", "u32"], result: "i32" },
  otb_tun_open: { parameters: ["buffer", "u32", "u32", "u32", "buffer"], result: "pointer" },
  otb_tun_close: { parameters: ["pointer"], result: "void" },
  otb_tun_check: { parameters: ["pointer"], result: "i32" },
  otb_tun_receive: { parameters: ["pointer", "buffer", "u32", "u32", "u32", "buffer"], result: "i32" },
  otb_tun_send: { parameters: ["pointer", "buffer", "u32", "buffer", "u32"], result: "i32" },
  otb_carried: { parameters: ["buffer", "u32"], result: "i32" },
  otb_neighbour: { parameters: ["buffer", "u32", "buffer"], result: "i32" },
  otb_netlink_open: { parameters: ["u32", "buffer", "u32", "buffer", "u32"], result: "i32" },
  otb_packet_open: { parameters: ["u32", "buffer", "u32", "u32"], result: "i32" },
  otb_udp_open: { parameters: ["buffer", "buffer", "u32", "u32", "u32", "u32"], result: "i32" },
  otb_udp_send: { parameters: ["i32", "buffer", "buffer", "buffer", "u32", "u32", "u32"], result: "i32" },
  otb_udp_receive: { parameters: ["i32", "buffer", "u32", "buffer", "u32"], result: "i32" },
  otb_mac: { parameters: ["buffer", "buffer", "u32", "buffer"], result: "void" },
  otb_equal: { parameters: ["buffer", "buffer", "u32"], result: "i32" },
  otb_noise_public_key: { parameters: ["buffer", "buffer"], result: "i32" },
  otb_noise_new: { parameters: ["buffer", "buffer", "buffer", "buffer", "u32"], result: "pointer" },
  otb_noise_set_psk: { parameters: ["pointer", "buffer"], result: "i32" },
  otb_noise_write: { parameters: ["pointer", "buffer", "u32", "buffer", "u32"], result: "i32" },
  otb_noise_read: { parameters: ["pointer", "buffer", "u32", "buffer", "u32"], result: "i32" },
  otb_noise_remote_key: { parameters: ["pointer", "buffer"], result: "i32" },
  otb_noise_ephemeral: { parameters: ["pointer", "buffer"], result: "i32" },
  otb_noise_split: { parameters: ["pointer", "u32"], result: "pointer" },
  otb_noise_free: { parameters: ["pointer"], result: "void" },
  otb_tunnel_send: {
    parameters: ["pointer", "i32", "buffer", "buffer", "u32", "u32", "buffer", "u32", "buffer", "u32"],
    result: "i32",
  },
  otb_tunnel_follow: { parameters: ["pointer", "pointer"], result: "i32" },
  otb_tunnel_sealed: { parameters: ["pointer"], result: "f64" },
  otb_tunnel_free: { parameters: ["pointer"], result: "void" },
  otb_receiver_new: { parameters: [], result: "pointer" },
  otb_receiver_add: { parameters: ["pointer", "u32", "pointer", "u32"], result: "i32" },
  otb_receiver_remove: { parameters: ["pointer", "u32"], result: "void" },
  otb_receiver_receive: {
    parameters: ["pointer", "i32", "buffer", "u32", "u32", "u32", "buffer", "u32", "buffer"],
    result: "i32",
  },
  otb_receiver_counts: { parameters: ["pointer", "buffer"], result: "void" },
  otb_receiver_free: { parameters: ["pointer"], result: "void" },
} as const satisfies Deno.ForeignLibraryInterface;

/** No program keeps the clock (clock_adjtime(2)). */
const TIME_ERROR = 5;

type Symbols = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];
type Bytes = Uint8Array<ArrayBuffer>;

// ---------------------------------------------------------------- library

/** Where the library may be, best first: OTB_NATIVE, an installed release, a build in the checkout. */
function candidates(): string[] {
  const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
  const places = [join(root, "lib", "libotb_native.so"), join(root, "target", "release", "libotb_native.so")];
  // Asking first instead of catching: a terminal would otherwise get a permission prompt.
  const readable = Deno.permissions.querySync({ name: "env", variable: "OTB_NATIVE" }).state === "granted";
  const named = readable ? Deno.env.get("OTB_NATIVE") : undefined;
  return named ? [resolve(named)] : places;
}

function missing(why: string, cause?: unknown): OtbError {
  return new OtbError("native-missing", `Cannot load libotb_native.so as ${why}`, "run ./otb build", {
    cause,
  });
}

/**
 * Absolute path of the library to load, for `--allow-ffi=<path>`; needs read permission on it.
 * @throws OtbError `native-missing`
 */
export function nativeLibraryPath(): string {
  const places = candidates();
  for (const path of places) {
    try {
      Deno.statSync(path);
      // Symlinks stay: plugins open it by the same words, and the permission is compared with these.
      return path;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  throw missing(`it must have been built: looked for "${places.join('", "')}"`);
}

/**
 * Loads the library, or returns the already loaded one. Needs only `--allow-ffi=<that path>`.
 *
 * @param path when the caller knows it (as the supervisor does); otherwise the places of `nativeLibraryPath` in order
 * @throws OtbError `native-missing`
 */
export function openNative(path?: string): Native {
  const places = path === undefined ? candidates() : [path];
  let cause: unknown;
  for (const place of places) {
    const known = loaded.get(place);
    if (known) return known;
    if (Deno.permissions.querySync({ name: "ffi", path: place }).state !== "granted") {
      cause ??= new Error(`no permission --allow-ffi=${place}`);
      continue;
    }
    try {
      const native = new Native(place, Deno.dlopen(place, SYMBOLS).symbols);
      loaded.set(place, native);
      return native;
    } catch (error) {
      cause = error;
    }
  }
  throw missing(
    `it must be there, current and permitted: ${cause instanceof Error ? cause.message : cause}`,
    cause,
  );
}

const loaded = new Map<string, Native>();

// ---------------------------------------------------------------- errors

/** The errno values a caller of the hot path meets; calls return them negated. */
export const Errno = {
  EPERM: 1,
  ENOENT: 2,
  EINTR: 4,
  EIO: 5,
  EBADF: 9,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EBUSY: 16,
  EEXIST: 17,
  ENODEV: 19,
  EINVAL: 22,
  EMFILE: 24,
  EPIPE: 32,
  EBADMSG: 74,
  EOVERFLOW: 75,
  EBADFD: 77,
  EMSGSIZE: 90,
  ENOPROTOOPT: 92,
  EPROTONOSUPPORT: 93,
  EOPNOTSUPP: 95,
  EADDRINUSE: 98,
  EADDRNOTAVAIL: 99,
  ENETDOWN: 100,
  ENETUNREACH: 101,
  ECONNABORTED: 103,
  ECONNRESET: 104,
  ENOBUFS: 105,
  ENOTCONN: 107,
  ETIMEDOUT: 110,
  ECONNREFUSED: 111,
  EHOSTUNREACH: 113,
  EINPROGRESS: 115,
} as const;

/** The name of an errno, negated or not: `-11` reads `EAGAIN`. */
export function errnoName(result: number): string {
  const errno = Math.abs(result);
  return Object.entries(Errno).find(([, value]) => value === errno)?.[0] ?? `errno ${errno}`;
}

function checked(result: number, verb: string, next?: string): number {
  if (result >= 0) return result;
  const name = errnoName(result);
  throw new OtbError(
    `native-${name.toLowerCase().replace(" ", "-")}`,
    `Cannot ${verb} as the kernel must allow it: current answer is "${name}"`,
    next,
  );
}

// ---------------------------------------------------------------- addresses

/** An IP address and a port; IPv4 reached over an IPv6 socket reads as IPv4. */
export interface Address {
  host: string;
  port: number;
}

/** An address as it crosses: u16 family (2 or 10), u16 port, 16 bytes (IPv4 in the first four). */
export const ADDRESS_BYTES = 20;

/**
 * Writes an address record and returns the buffer.
 * @throws OtbError `address-invalid` when the host is no IP address
 */
export function encodeAddress(
  address: Address,
  out: Bytes = new Uint8Array(ADDRESS_BYTES),
  offset = 0,
): Bytes {
  if (!ipaddr.IPv4.isValidFourPartDecimal(address.host) && !ipaddr.IPv6.isValid(address.host)) {
    throw new OtbError(
      "address-invalid",
      `Cannot encode address as it must be IPv4 or IPv6: current value is "${address.host}"`,
    );
  }
  const bytes = ipaddr.parse(address.host).toByteArray();
  const view = new DataView(out.buffer, out.byteOffset + offset, ADDRESS_BYTES);
  view.setUint16(0, bytes.length === 4 ? 2 : 10, true);
  view.setUint16(2, address.port, true);
  out.fill(0, offset + 4, offset + ADDRESS_BYTES);
  out.set(bytes, offset + 4);
  return out;
}

/** Reads an address record; the only place where strings are made of addresses. */
export function decodeAddress(record: Bytes, offset = 0): Address {
  const view = new DataView(record.buffer, record.byteOffset + offset, ADDRESS_BYTES);
  const four = view.getUint16(0, true) === 2;
  const bytes = record.subarray(offset + 4, offset + (four ? 8 : 20));
  const host = four ? bytes.join(".") : new ipaddr.IPv6([...bytes]).toString();
  return { host, port: view.getUint16(2, true) };
}

const record = (address: Address | Bytes) => address instanceof Uint8Array ? address : encodeAddress(address);
const text = (value: string | undefined) => value === undefined ? null : new TextEncoder().encode(value);

// ---------------------------------------------------------------- sockets

/** How to listen. */
export interface ListenOptions {
  /** Ask for MPTCP (protocol 262); plain TCP clients are served all the same. */
  mptcp?: boolean;
  /** Accept for foreign addresses (nft `tproxy`); needs CAP_NET_ADMIN. */
  transparent?: boolean;
  /** Several sockets share the port (SO_REUSEPORT). */
  reusePort?: boolean;
  /** What it accepts is reset by whatever ends it, but for `closeInOrder`. */
  resetOnClose?: boolean;
  /** Connections waiting for accept, default 1024. */
  backlog?: number;
}

/** How to connect. */
export interface ConnectOptions {
  /** Ask for MPTCP. */
  mptcp?: boolean;
  /** Local address; port 0 lets the kernel choose per destination (IP_BIND_ADDRESS_NO_PORT). */
  source?: Address | Bytes;
  /** SO_MARK, of all subflows. */
  mark?: number;
  /** SO_BINDTODEVICE, of the first subflow only. */
  device?: string;
  /** Bind to an address that is not of this machine (IP_TRANSPARENT). */
  transparent?: boolean;
  /** Reset by whatever ends it, the end of a killed process included, but for `closeInOrder` (socket(7), SO_LINGER). */
  resetOnClose?: boolean;
}

/** A new socket: `mptcp` is false when it was not asked for or the kernel has it disabled (plain TCP then). */
export interface Socket {
  fd: number;
  mptcp: boolean;
}

const PLAIN_TCP = 0x4000_0000; // socket.rs: set in the returned descriptor when MPTCP was asked for and is disabled
const LISTEN_MPTCP = 1, TRANSPARENT = 2, REUSE_PORT = 4, RESET_ON_CLOSE = 8;
const ABORT = 1, IN_ORDER = 2; // how otb_close ends a descriptor

/**
 * Idle time, interval and count of keepalive probes; `userTimeoutMs` bounds unacknowledged data (tcp(7)), which MPTCP
 * does not know (-ENOPROTOOPT, with the rest in force).
 */
export interface Keepalive {
  idleSeconds: number;
  intervalSeconds: number;
  count: number;
  userTimeoutMs?: number;
}

/** What MPTCP_FULL_INFO tells of one connection (linux/mptcp.h). */
export interface MptcpInfo {
  /** Local token, as in `ip mptcp monitor` and in `TcpDiag.tokenLocal`. */
  token: number;
  /** The peer or the way stripped MPTCP: it is plain TCP now. */
  fallback: boolean;
  bytesSent: number;
  bytesReceived: number;
  bytesAcked: number;
  bytesRetransmitted: number;
  subflows: ({ local: Address; remote: Address; id: number } & TcpInfo)[];
}

/** The parts of `struct tcp_info` (linux/tcp.h) in use here. */
export interface TcpInfo {
  /** TCP state number: 1 established, 2 SYN sent, 8 close wait, 10 listen. */
  state: number;
  rttUs: number;
  rttVarUs: number;
  minRttUs: number;
  /** Congestion window, segments. */
  cwnd: number;
  mss: number;
  /** Segments sent again, since the start. */
  retransSegments: number;
  /** Segments sent, data and acknowledgements. */
  segmentsOut: number;
  /** Segments with data sent, those sent again included. */
  dataSegmentsOut: number;
  bytesSent: number;
  bytesAcked: number;
  bytesReceived: number;
  bytesRetransmitted: number;
  deliveryRateBytesPerSecond: number;
  pacingRateBytesPerSecond: number;
  lastDataSentMs: number;
  lastDataReceivedMs: number;
  lastAckReceivedMs: number;
  /** Segments in flight without acknowledgement. */
  unacked: number;
  /** Segments taken as lost. */
  lost: number;
  /** Times the retransmission timer doubled since the last acknowledgement. */
  backoff: number;
  /** Timeouts, and probes of a closed window or by keepalive, in a row without an answer. */
  unanswered: number;
  /** Bytes in the send queue that were never sent. */
  notSentBytes: number;
}

/** Bytes of `struct tcp_info` copied by the library; shorter ones of old kernels read as zero. */
const TCP_INFO_BYTES = 232;

function decodeTcpInfo(view: DataView, at: number): TcpInfo {
  const u32 = (offset: number) => view.getUint32(at + offset, true);
  const u64 = (offset: number) => Number(view.getBigUint64(at + offset, true));
  return {
    state: view.getUint8(at),
    unanswered: view.getUint8(at + 2) + view.getUint8(at + 3),
    backoff: view.getUint8(at + 4),
    mss: u32(16),
    unacked: u32(24),
    lost: u32(32),
    lastDataSentMs: u32(44),
    lastDataReceivedMs: u32(52),
    lastAckReceivedMs: u32(56),
    rttUs: u32(68),
    rttVarUs: u32(72),
    cwnd: u32(80),
    retransSegments: u32(100),
    pacingRateBytesPerSecond: u64(104),
    bytesAcked: u64(120),
    bytesReceived: u64(128),
    segmentsOut: u32(136),
    notSentBytes: u32(144),
    // The kernel says ~0 before the first sample.
    minRttUs: u32(148) === 0xffffffff ? 0 : u32(148),
    dataSegmentsOut: u32(156),
    deliveryRateBytesPerSecond: u64(160),
    bytesSent: u64(200),
    bytesRetransmitted: u64(208),
  };
}

// ---------------------------------------------------------------- poll

/** Event bits of epoll(7). */
export const PollEvents = {
  in: 0x1,
  out: 0x4,
  error: 0x8,
  hangUp: 0x10,
  readHangUp: 0x2000,
  oneShot: 0x4000_0000,
  edge: 0x8000_0000,
} as const;

/** The tag under which `wait` reports a `wake`; do not use it for a descriptor. */
export const WAKE_TAG = 0xffff_ffff;

/** Events one `wait` returns at most. */
export const MAX_EVENTS = 256;

/**
 * An epoll set with a wake-up.
 *
 * ```ts
 * const poll = native.poll();
 * const events = new Uint32Array(2 * 64);
 * poll.set(fd, PollEvents.in, 7);
 * const count = poll.wait(events, 0) || await poll.waitAsync(events, 1000);
 * // events[0] === 7, events[1] & PollEvents.in
 * ```
 */
export class Poll {
  #symbols: Symbols;
  #wakeFd: number;
  // The native thread writes into it until the promise settles, so it must not be collected.
  #lent: Uint32Array<ArrayBuffer> | undefined;
  readonly fd: number;

  constructor(symbols: Symbols) {
    this.#symbols = symbols;
    const wake = new Int32Array(1);
    this.fd = checked(symbols.otb_poll_create(wake), "create an epoll set");
    this.#wakeFd = wake[0]!;
  }

  /** Adds a new descriptor with its events (PollEvents) and tag; 0 or a negative errno (-EEXIST when it is there). */
  add(fd: number, events: number, tag: number): number {
    return this.#symbols.otb_poll_add(this.fd, fd, events >>> 0, tag);
  }

  /** Changes the events and tag of a descriptor, or adds it; 0 or a negative errno. */
  set(fd: number, events: number, tag: number): number {
    return this.#symbols.otb_poll_set(this.fd, fd, events >>> 0, tag);
  }

  /** Takes a descriptor out; 0 or a negative errno. Closing the descriptor does it too. */
  remove(fd: number): number {
    return this.#symbols.otb_poll_remove(this.fd, fd);
  }

  /**
   * Fills `out` with [tag, events] pairs, at most MAX_EVENTS; blocks the thread for up to `timeoutMs`. Before it sleeps it
   * gives way to others `yields` times (sched_yield(2)) and looks again, which is cheaper than to be woken.
   */
  wait(out: Uint32Array<ArrayBuffer>, timeoutMs: number, yields = 0): number {
    return this.#symbols.otb_poll_wait(this.fd, out, out.length >>> 1, timeoutMs, yields);
  }

  /**
   * As `wait`, on another thread, costs 6 to 10 us: for an idle loop. One at a time; `out` is lent until it settles.
   * Give a finite timeout or `wake` before the end, as a waiting thread keeps the process alive.
   */
  async waitAsync(out: Uint32Array<ArrayBuffer>, timeoutMs: number): Promise<number> {
    this.#lent = out;
    try {
      return await this.#symbols.otb_poll_wait_async(this.fd, out, out.length >>> 1, timeoutMs, 0);
    } finally {
      this.#lent = undefined;
    }
  }

  /** True while a `waitAsync` is under way. */
  get waiting(): boolean {
    return this.#lent !== undefined;
  }

  /** Makes the current or next `wait` return with WAKE_TAG, from any thread. */
  wake(): void {
    this.#symbols.otb_poll_wake(this.#wakeFd);
  }

  /** Closes the set; only when no `waitAsync` is under way. Descriptors in it stay open. */
  close(): void {
    this.#symbols.otb_close(this.#wakeFd, 0);
    this.#symbols.otb_close(this.fd, 0);
  }
}

// ---------------------------------------------------------------- AEAD

/** `2022-blake3-aes-256-gcm` (SIP022) or `aes-256-gcm` (SIP004); both take a 32-byte key and a 32-byte salt. */
export type AeadMethod = "2022-blake3-aes-256-gcm" | "aes-256-gcm";

/** Bytes of a salt, of a key, of a tag. */
export const SALT_BYTES = 32, KEY_BYTES = 32, TAG_BYTES = 16;

/** Largest payload of one frame. */
export const MAX_FRAME_PAYLOAD: Record<AeadMethod, number> = {
  "2022-blake3-aes-256-gcm": 0xffff,
  "aes-256-gcm": 0x3fff,
};

/** Bytes that `sealFrames` writes for `length` bytes of payload. */
export function sealedLength(method: AeadMethod, length: number): number {
  return length + Math.ceil(length / MAX_FRAME_PAYLOAD[method]) * (2 + 2 * TAG_BYTES);
}

/** Room that `openFrames` may ask for with `length` bytes of input: the session may hold almost one frame back. */
export function openCapacity(length: number): number {
  return length + 0xffff + TAG_BYTES;
}

/**
 * One direction of one encrypted stream: a subkey and a counter that never repeats. Seal or open with it, never both.
 * About 700 bytes of native memory, and one partial frame while one is pending. `free` it (or `using`): it wipes the key.
 */
export class AeadSession {
  #symbols: Symbols;
  #pointer: Deno.PointerValue;

  constructor(symbols: Symbols, readonly method: AeadMethod, key: Bytes, salt: Bytes) {
    this.#symbols = symbols;
    const id = method === "2022-blake3-aes-256-gcm" ? 0 : 1;
    this.#pointer = symbols.otb_aead_new(id, key, key.byteLength, salt, salt.byteLength);
    if (this.#pointer === null) {
      throw new OtbError(
        "aead-key-length",
        `Cannot start an AEAD session as key and salt must have 32 bytes: current lengths are "${key.byteLength}" and "${salt.byteLength}"`,
      );
    }
  }

  /** One AEAD operation, for headers: writes `length + 16` bytes, and returns that or a negative errno. */
  sealOne(input: Bytes, offset: number, length: number, out: Bytes, outOffset: number): number {
    if (bad(input, offset, length) || bad(out, outOffset, length + TAG_BYTES)) return -Errno.EINVAL;
    return this.#symbols.otb_aead_seal_one(this.#pointer, input, offset, length, out, outOffset);
  }

  /** One AEAD operation on `length` bytes, tag included; returns `length - 16`, or -EBADMSG when forged. */
  openOne(input: Bytes, offset: number, length: number, out: Bytes, outOffset: number): number {
    if (bad(input, offset, length) || bad(out, outOffset, length - TAG_BYTES)) return -Errno.EINVAL;
    return this.#symbols.otb_aead_open_one(this.#pointer, input, offset, length, out, outOffset);
  }

  /**
   * Cuts the input into frames [u16 length, sealed][payload, sealed]; returns `sealedLength(method, length)`, or a
   * negative errno (-EOVERFLOW when the counter is spent). Input and output must not overlap.
   */
  sealFrames(input: Bytes, offset: number, length: number, out: Bytes, outOffset: number): number {
    if (bad(input, offset, length) || bad(out, outOffset, sealedLength(this.method, length))) {
      return -Errno.EINVAL;
    }
    return this.#symbols.otb_aead_seal_frames(this.#pointer, input, offset, length, out, outOffset);
  }

  /**
   * Takes all of the input, however it is cut, keeps an incomplete frame for the next call, and returns the bytes of
   * plaintext written (may be 0). -EBADMSG when forged, for this and every later call; -ENOBUFS, nothing consumed, when
   * `out` is too small (`openCapacity(length)` always suffices). Input and output must not overlap.
   */
  openFrames(input: Bytes, offset: number, length: number, out: Bytes, outOffset: number): number {
    if (bad(input, offset, length) || outOffset > out.byteLength) return -Errno.EINVAL;
    const room = out.byteLength - outOffset;
    return this.#symbols.otb_aead_open_frames(this.#pointer, input, offset, length, out, outOffset, room);
  }

  /** Writes a frame without payload, 34 bytes; returns that or a negative errno. */
  sealEmpty(out: Bytes, outOffset: number): number {
    const head = this.sealOne(EMPTY, 0, 2, out, outOffset);
    if (head < 0) return head;
    const body = this.sealOne(EMPTY, 0, 0, out, outOffset + head);
    return body < 0 ? body : head + body;
  }

  /** `openFrames` has met a frame without payload. */
  get metEmpty(): boolean {
    return this.#symbols.otb_aead_ended(this.#pointer) === 1;
  }

  /** Wipes the key and frees the memory; later calls return -EINVAL. */
  free(): void {
    this.#symbols.otb_aead_free(this.#pointer);
    this.#pointer = null;
  }

  [Symbol.dispose](): void {
    this.free();
  }
}

/** The length of a frame without payload. */
const EMPTY = new Uint8Array(2);

/** Native code trusts its bounds, so they are checked on this side. */
function bad(buffer: Bytes, offset: number, length: number): boolean {
  return !(offset >= 0 && length >= 0 && offset + length <= buffer.byteLength);
}

// ---------------------------------------------------------------- diag

/** One TCP socket of this network namespace as `ss -ti` would show it. */
export interface TcpDiag extends TcpInfo {
  local: Address;
  remote: Address;
  /** It carries MPTCP: its upper layer protocol is `mptcp` and it has not fallen back to plain TCP. */
  isMptcpSubflow: boolean;
  /**
   * Tokens and ids of the MPTCP connection; 0 on plain TCP, or without CAP_NET_ADMIN. The local token tells connections
   * apart; the remote one is 0 on subflows that the other end joined.
   */
  tokenLocal: number;
  tokenRemote: number;
  idLocal: number;
  idRemote: number;
  /** This end asked the other not to use it (`backup` endpoint here), or the other asked us. */
  backupLocal: boolean;
  backupRemote: boolean;
  /** It was joined to a connection that began on another subflow. */
  joined: boolean;
  /** `cubic`, `bbr`... */
  congestion: string;
  /** Inode number of the socket; 0 on additional subflows. */
  inode: number;
}

const DIAG_BYTES = 80 + TCP_INFO_BYTES;

function decodeDiag(bytes: Bytes, at: number): TcpDiag {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const flags = view.getUint32(at + 52, true);
  const name = bytes.subarray(at + 56, at + 72);
  return {
    ...decodeTcpInfo(view, at + 80),
    local: decodeAddress(bytes, at),
    remote: decodeAddress(bytes, at + 20),
    state: view.getUint8(at + 40),
    // MPTCP_SUBFLOW_FLAG_MCAP_REM | JOIN_REM | JOIN_LOC: MCAP_LOC alone only asked for it.
    isMptcpSubflow: view.getUint8(at + 41) === 1 && (flags & 0x0d) !== 0,
    idLocal: view.getUint8(at + 42),
    idRemote: view.getUint8(at + 43),
    tokenLocal: view.getUint32(at + 44, true),
    tokenRemote: view.getUint32(at + 48, true),
    joined: (flags & 0x0c) !== 0, // MPTCP_SUBFLOW_FLAG_JOIN_REM | JOIN_LOC
    backupRemote: (flags & 0x10) !== 0, // MPTCP_SUBFLOW_FLAG_BKUP_REM
    backupLocal: (flags & 0x20) !== 0, // MPTCP_SUBFLOW_FLAG_BKUP_LOC
    congestion: Buffer.from(name).toString("latin1").replace(/\0.*$/s, ""),
    inode: view.getUint32(at + 72, true),
  };
}

// ---------------------------------------------------------------- TUN

/** How to open a TUN device; it is made if it is not there, and gone when closed. */
export interface TunOptions {
  mtu: number;
  /** Segmentation offload: one read or write may carry 64 KiB of packets. */
  offload?: boolean;
  multiQueue?: boolean;
}

/** Packets one `receive` or `send` handles at most. */
export const MAX_PACKETS = 256;

/** An open TUN device, nonblocking; add `fd` to a Poll. */
export class Tun {
  #symbols: Symbols;
  #pointer: Deno.PointerValue;
  readonly fd: number;

  constructor(symbols: Symbols, readonly name: string, options: TunOptions) {
    this.#symbols = symbols;
    const result = new Int32Array(1);
    const flags = (options.offload ? 1 : 0) | (options.multiQueue ? 2 : 0);
    const bytes = text(name)!;
    this.#pointer = symbols.otb_tun_open(bytes, bytes.length, options.mtu, flags, result);
    this.fd = checked(result[0]!, `open TUN device ${name}`, "it needs /dev/net/tun and CAP_NET_ADMIN");
  }

  /**
   * One read. Packet i lies at `i * stride + headroom` and has `sizes[i]` bytes; the count returns, or a negative errno.
   * With offload a read yields up to 64 KiB: give MAX_PACKETS slots of MTU plus headroom. -EIO is a packet that could not be
   * split, and is dropped: go on. -EBADFD: the device was deleted; a Poll then reports it for ever.
   */
  receive(out: Bytes, stride: number, headroom: number, sizes: Uint32Array<ArrayBuffer>): number {
    const slots = Math.min(sizes.length, Math.floor(out.byteLength / stride), MAX_PACKETS);
    if (slots < 1 || headroom >= stride) return -Errno.EINVAL;
    return this.#symbols.otb_tun_receive(this.#pointer, out, stride, headroom, slots, sizes);
  }

  /**
   * Sends `count` packets in order; `spans` holds [offset, length] pairs within `input`. With offload neighbours of one
   * flow are coalesced first. Returns the bytes of the packets that were
   * taken or a negative errno; packets that the kernel refuses are dropped.
   */
  send(input: Bytes, spans: Uint32Array<ArrayBuffer>, count: number): number {
    if (count * 2 > spans.length || count > MAX_PACKETS) return -Errno.EINVAL;
    return this.#symbols.otb_tun_send(this.#pointer, input, input.byteLength, spans, count);
  }

  /** Whether the device is there as it was opened: nobody deleted it, renamed it or moved it to another namespace. */
  get isThere(): boolean {
    return this.#symbols.otb_tun_check(this.#pointer) === 0;
  }

  /** Closes it, which removes the device unless something else holds it. */
  close(): void {
    this.#symbols.otb_tun_close(this.#pointer);
    this.#pointer = null;
  }
}

// ---------------------------------------------------------------- UDP

/** How to open a UDP socket. */
export interface UdpOptions {
  mark?: number;
  /** SO_BINDTODEVICE. */
  device?: string;
  /** Receive runs of equal datagrams as one (UDP_GRO). */
  gro?: boolean;
  reusePort?: boolean;
  /** Instead of UDP, ICMP echo requests, to send and hear whole from the type on; the port is their identifier (icmp(7), "ping socket"). */
  icmp?: boolean;
  /** Datagrams are not fragmented, and path MTU that was learnt is not heeded (ip(7), IP_PMTUDISC_PROBE). */
  whole?: boolean;
  /** Size of both socket buffers; without CAP_NET_ADMIN at most net.core.rmem_max and wmem_max. */
  bufferBytes?: number;
  /** The kernel tells the outer TOS byte and the time of arrival of each message, for `TunnelReceiver.receive`. */
  marks?: boolean;
  /** The kernel tells to which own address each message came, for `TunnelReceiver.receive`; to answer from there give it to `send`. */
  local?: boolean;
}

/** One record of `udpReceive`: u32 offset, u32 length, u32 segment size, then the remote address record. */
export const UDP_META_BYTES = 32;

/** Messages one `udpReceive` takes at most. */
export const MAX_MESSAGES = 64;

// ---------------------------------------------------------------- noise

/** How to start a handshake; all keys have KEY_BYTES bytes. */
export interface NoiseOptions {
  initiator: boolean;
  /** The own static key. */
  privateKey: Bytes;
  /** The other end's static public key, which the initiator must know. */
  remotePublicKey?: Bytes;
  /** A secret that both ends share besides; a responder may give it by `setPsk` once it has read who asks. */
  psk?: Bytes;
  /** What both ends must agree on without saying it; empty is fine. */
  prologue: Bytes;
}

/** What the two messages are longer than their payloads. */
export const NOISE_OVERHEAD = { first: 96, second: 48 } as const;

/**
 * One handshake, Noise_IKpsk2_25519_AESGCM_SHA256 (noiseprotocol.org): the initiator writes, the responder reads and
 * writes, the initiator reads, both split. `free` it (or `using`): it wipes the keys.
 *
 * ```ts
 * using handshake = native.noise({ initiator: true, privateKey, remotePublicKey, psk, prologue });
 * const length = handshake.write(hello, message); // send message.subarray(0, length), receive the answer
 * if (handshake.read(answer, payload) >= 0) keys = handshake.split(localIndex, remoteIndex);
 * ```
 */
export class NoiseHandshake {
  #symbols: Symbols;
  #pointer: Deno.PointerValue;

  /** Use `native.noise`. */
  constructor(symbols: Symbols, options: NoiseOptions) {
    this.#symbols = symbols;
    const { initiator, privateKey, remotePublicKey, psk, prologue } = options;
    keyOf32(privateKey, "noise", "private key");
    if (psk) keyOf32(psk, "noise", "pre-shared key");
    if (initiator) keyOf32(remotePublicKey ?? new Uint8Array(0), "noise", "remote public key");
    const remote = initiator ? remotePublicKey! : null;
    this.#pointer = symbols.otb_noise_new(privateKey, remote, psk ?? null, prologue, prologue.byteLength);
    if (this.#pointer === null) {
      throw new OtbError("noise-refused", "Cannot start a handshake as its keys must be accepted by snow");
    }
  }

  /**
   * Sets the pre-shared key, which is needed from the second message on.
   * @throws OtbError `noise-key-length`, `native-einval` when the handshake is over
   */
  setPsk(psk: Bytes): void {
    keyOf32(psk, "noise", "pre-shared key");
    checked(this.#symbols.otb_noise_set_psk(this.#pointer, psk), "set the pre-shared key of a handshake");
  }

  /**
   * Writes the next message: returns its length, payload plus NOISE_OVERHEAD, or -ENOBUFS when `out` is smaller, or -EINVAL
   * when it is not this end's turn, or -EIO without the pre-shared key.
   */
  write(payload: Bytes, out: Bytes): number {
    return this.#symbols.otb_noise_write(
      this.#pointer,
      payload,
      payload.byteLength,
      out,
      out.byteLength,
    );
  }

  /**
   * Reads the other end's message: returns the length of its payload, or -EBADMSG when it is not authentic, after which
   * the right message may still come. -ENOBUFS and -EINVAL as for `write`.
   */
  read(message: Bytes, out: Bytes): number {
    return this.#symbols.otb_noise_read(
      this.#pointer,
      message,
      message.byteLength,
      out,
      out.byteLength,
    );
  }

  /** The other end's static key; the responder knows it once it has read the first message. */
  remoteKey(): Bytes | undefined {
    const key = new Uint8Array(KEY_BYTES);
    return this.#symbols.otb_noise_remote_key(this.#pointer, key) === 1 ? key : undefined;
  }

  /** An initiator's own ephemeral public key, which the first message begins with: a payload may refer to it. */
  ephemeralKey(): Bytes | undefined {
    const key = new Uint8Array(KEY_BYTES);
    return this.#symbols.otb_noise_ephemeral(this.#pointer, key) === 1 ? key : undefined;
  }

  /**
   * Ends the handshake and returns the keys of both directions. `localIndex` stands in packets to this end, `remoteIndex`
   * in packets from it.
   * @throws OtbError `noise-unfinished`
   */
  split(localIndex: number, remoteIndex: number): TunnelKeys {
    const pointer = this.#symbols.otb_noise_split(this.#pointer, remoteIndex);
    if (pointer === null) {
      throw new OtbError(
        "noise-unfinished",
        "Cannot split a handshake as both of its messages must have been exchanged, once",
      );
    }
    this.free();
    return new TunnelKeys(this.#symbols, pointer, localIndex, remoteIndex);
  }

  /** Wipes the keys and frees the memory; later calls return -EINVAL. */
  free(): void {
    this.#symbols.otb_noise_free(this.#pointer);
    this.#pointer = null;
  }

  [Symbol.dispose](): void {
    this.free();
  }
}

function keyOf32(key: Bytes, whose: string, name: string): void {
  if (key.byteLength === KEY_BYTES) return;
  throw new OtbError(
    `${whose}-key-length`,
    `Cannot use ${name} as it must have ${KEY_BYTES} bytes: current length is "${key.byteLength}"`,
  );
}

// ---------------------------------------------------------------- tunnel

/** Paths that one session may have; each counts its packets on its own. */
export const MAX_PATHS = 8;

/** What a data packet is longer than its plaintext: header and tag. */
export const TUNNEL_OVERHEAD = 32;

/**
 * One epoch of keys of one session, for both directions: AES-256-GCM, a counter and a replay window of 8192 numbers per
 * path. About 1.4 kB of native memory, and 1 kB for each path that received. `free` it (or `using`).
 */
export class TunnelKeys {
  #symbols: Symbols;
  /** For `TunnelReceiver.add`. */
  pointer: Deno.PointerValue;

  /** Use `NoiseHandshake.split`. */
  constructor(
    symbols: Symbols,
    pointer: Deno.PointerValue,
    readonly localIndex: number,
    readonly remoteIndex: number,
  ) {
    this.#symbols = symbols;
    this.pointer = pointer;
  }

  /**
   * Seals `arena[offset..offset + length]` for each [offset, length] pair of `items[0..2 * count]` and sends them in order
   * over one path, runs of equal size with one call (UDP_SEGMENT). `tos` is the outer TOS or traffic class byte, `local` the own
   * address to send from (an address record; of family 0, absent or gone from this machine: the kernel chooses).
   *
   * Returns how many the kernel took, or a negative errno when it took none: -EAGAIN, -EMSGSIZE when the first is too long
   * for the path, -EOVERFLOW when the counter of the path is spent. Up to 64 packets that were sealed and not taken have used
   * their numbers: the receiver sees a gap.
   */
  send(
    fd: number,
    remote: Bytes,
    path: number,
    tos: number,
    arena: Bytes,
    items: Uint32Array<ArrayBuffer>,
    count: number,
    local: Bytes | null = null,
  ): number {
    if (local && bad(local, 0, ADDRESS_BYTES)) return -Errno.EINVAL;
    if (bad(remote, 0, ADDRESS_BYTES) || !(count >= 0 && 2 * count <= items.length)) return -Errno.EINVAL;
    return this.#symbols.otb_tunnel_send(
      this.pointer,
      fd,
      remote,
      local,
      path,
      tos,
      arena,
      arena.byteLength,
      items,
      count,
    );
  }

  /**
   * Counts on from the session's former keys, so that a receiver sees one row of numbers per path whatever the keys.
   *
   * @throws OtbError `tunnel-keys-used` when these have sealed something: a number may not come twice
   */
  follow(former: TunnelKeys): void {
    if (this.#symbols.otb_tunnel_follow(this.pointer, former.pointer) === 0) return;
    throw new OtbError(
      "tunnel-keys-used",
      `Cannot count on from former keys as new ones must be unused: current value is "${this.sealed} packets"`,
    );
  }

  /** Packets sealed so far with these keys, over all paths, to decide when to change keys. */
  get sealed(): number {
    return this.#symbols.otb_tunnel_sealed(this.pointer);
  }

  /** Frees the memory and wipes the keys; a receiver that still has them goes on opening until it forgets them. */
  free(): void {
    this.#symbols.otb_tunnel_free(this.pointer);
    this.pointer = null;
  }

  [Symbol.dispose](): void {
    this.free();
  }
}

/** Words of one record of `TunnelReceiver.receive`. */
export const RECORD_WORDS = 20;

/**
 * Where what stands in a record, in words of 32 bits; `remote` and `local` are address records, `local` is the own address that
 * the packet came to, of family 0 without the option `local` of the socket, and always with port 0.
 */
export const TunnelRecord = {
  slot: 0,
  length: 1,
  tag: 2,
  path: 3,
  counterLow: 4,
  counterHigh: 5,
  wireBytes: 6,
  tos: 7,
  ageMicros: 8,
  remote: 9,
  local: 14,
  flags: 19,
} as const;

/** The tag of a datagram that is no data packet, and lies raw and whole in its slot. */
export const RAW_TAG = 0xffff_ffff;

/** In `flags`: the first packet that was opened with these keys. */
export const FIRST_PACKET = 1;

/** Free slots without which nothing is received: one message may hold that many datagrams. */
export const MIN_FREE_SLOTS = 64;

/** All sessions of one process on the receiving side. About 1 MiB of address space, touched as used. */
export class TunnelReceiver {
  #symbols: Symbols;
  #pointer: Deno.PointerValue;

  /** Use `native.tunnelReceiver`. */
  constructor(symbols: Symbols) {
    this.#symbols = symbols;
    this.#pointer = symbols.otb_receiver_new();
  }

  /** Opens with these keys what comes for this index, instead of what was there; `tag` names the session in records. */
  add(localIndex: number, keys: TunnelKeys, tag: number): void {
    const added = this.#symbols.otb_receiver_add(this.#pointer, localIndex, keys.pointer, tag);
    checked(added, "receive with keys that were freed");
  }

  /** Forgets what was added; packets for this index are unknown from now on. */
  remove(localIndex: number): void {
    this.#symbols.otb_receiver_remove(this.#pointer, localIndex);
  }

  /**
   * One recvmmsg(2) on a socket opened with `gro` and `marks`. Each data packet is opened into a slot: its plaintext begins at
   * `slot * stride + headroom` of `arena`. What is no data packet (by its first byte, or too short) lies there raw. Slots are
   * taken from `freeSlots[0..freeCount]` in order, so record i has slot `freeSlots[i]`. Data packets that are forged,
   * replayed, too old or of no session, and whatever does not fit a slot, are dropped and counted.
   *
   * Returns the number of records, of RECORD_WORDS words each (`TunnelRecord`), 0 when all were dropped, or a negative errno:
   * -EAGAIN when nothing is there, -ENOBUFS with fewer than MIN_FREE_SLOTS free slots.
   */
  receive(
    fd: number,
    arena: Bytes,
    stride: number,
    headroom: number,
    freeSlots: Int32Array<ArrayBuffer>,
    freeCount: number,
    records: Uint32Array<ArrayBuffer>,
  ): number {
    if (!(freeCount >= 0 && freeCount <= freeSlots.length)) return -Errno.EINVAL;
    return this.#symbols.otb_receiver_receive(
      this.#pointer,
      fd,
      arena,
      arena.byteLength,
      stride,
      headroom,
      freeSlots,
      Math.min(freeCount, Math.floor(records.length / RECORD_WORDS)),
      records,
    );
  }

  /** Datagrams dropped since the start: [failed authentication, replayed or too old, of no session, did not fit]. */
  counts(out: Float64Array<ArrayBuffer>): void {
    if (out.length >= 4) this.#symbols.otb_receiver_counts(this.#pointer, out);
  }

  /** Frees it and forgets all keys; later calls return -EINVAL. */
  free(): void {
    this.#symbols.otb_receiver_free(this.#pointer);
    this.#pointer = null;
  }

  [Symbol.dispose](): void {
    this.free();
  }
}

// ---------------------------------------------------------------- packet

/** One instruction of classic BPF: `[code, jt, jf, k]` (struct sock_filter, linux/filter.h). */
export type BpfInstruction = readonly [code: number, jumpTrue: number, jumpFalse: number, k: number];

/** How to open a packet socket. */
export interface PacketOptions {
  /** Which frames to receive; they start with the Ethernet header. Without VLAN tags, which the kernel keeps apart. */
  filter: readonly BpfInstruction[];
  /** Frames to other stations' addresses too (PACKET_MR_PROMISC). */
  promiscuous?: boolean;
}

const BPF_BYTES = 8;

function encodeBpf(filter: readonly BpfInstruction[]): Bytes {
  const bytes = new Uint8Array(filter.length * BPF_BYTES);
  const view = new DataView(bytes.buffer);
  for (const [index, [code, jumpTrue, jumpFalse, k]] of filter.entries()) {
    view.setUint16(index * BPF_BYTES, code, true);
    view.setUint8(index * BPF_BYTES + 2, jumpTrue);
    view.setUint8(index * BPF_BYTES + 3, jumpFalse);
    view.setUint32(index * BPF_BYTES + 4, k, true);
  }
  return bytes;
}

// ---------------------------------------------------------------- all of it

/** The loaded library. */
export class Native {
  #symbols: Symbols;
  #diag = new Uint8Array(64 * DIAG_BYTES);
  #carried = new Uint8Array(4096);
  readonly #info = new Uint8Array(TCP_INFO_BYTES);
  readonly #infoView = new DataView(this.#info.buffer);

  /** Use `openNative`. */
  constructor(readonly path: string, symbols: Symbols) {
    this.#symbols = symbols;
  }

  /**
   * Listens, nonblocking; a wildcard IPv6 address serves IPv4 too.
   * @throws OtbError `native-<errno>`
   */
  listen(local: Address | Bytes, options: ListenOptions = {}): Socket {
    const flags = (options.mptcp ? LISTEN_MPTCP : 0) | (options.transparent ? TRANSPARENT : 0) |
      (options.reusePort ? REUSE_PORT : 0) | (options.resetOnClose ? RESET_ON_CLOSE : 0);
    const bytes = record(local);
    const result = this.#symbols.otb_listen(bytes, flags, options.backlog ?? 1024);
    const fd = checked(result, `listen on ${show(bytes)}`);
    return { fd: fd & ~PLAIN_TCP, mptcp: !!options.mptcp && !(fd & PLAIN_TCP) };
  }

  /**
   * Accepts one connection, nonblocking, and fills two address records: the peer's, and the local one (under nft `tproxy`
   * the address the client wanted; null where nobody asks, which saves a call). Returns the descriptor or a negative errno
   * (-EAGAIN when none waits).
   */
  accept(fd: number, peer: Bytes, local: Bytes | null): number {
    if (bad(peer, 0, ADDRESS_BYTES) || local && bad(local, 0, ADDRESS_BYTES)) return -Errno.EINVAL;
    return this.#symbols.otb_accept(fd, peer, local);
  }

  /**
   * Starts to connect; wait for `PollEvents.out`, then ask `connectResult`. First data does not go in the SYN.
   * @throws OtbError `native-<errno>` when it fails at once, such as `native-enetunreach`
   */
  connect(remote: Address | Bytes, options: ConnectOptions = {}): Socket {
    const flags = (options.mptcp ? LISTEN_MPTCP : 0) | (options.transparent ? TRANSPARENT : 0) |
      (options.resetOnClose ? RESET_ON_CLOSE : 0);
    const bytes = record(remote);
    const source = options.source === undefined ? null : record(options.source);
    const device = text(options.device);
    const mark = options.mark ?? 0;
    const result = this.#symbols.otb_connect(bytes, source, device, device?.length ?? 0, mark, flags);
    const fd = result >= 0 ? result : checked(result, `connect to ${show(bytes)}`);
    return { fd: fd & ~PLAIN_TCP, mptcp: !!options.mptcp && !(fd & PLAIN_TCP) };
  }

  /** 0 when connected, else the negative errno why not (SO_ERROR; reading clears it). */
  connectResult(fd: number): number {
    const error = this.#symbols.otb_option_get(fd, 1, 4);
    return error > 0 ? -error : error;
  }

  /** Fills an address record with the own address of a socket; 0 or a negative errno. */
  localAddress(fd: number, out: Bytes): number {
    return bad(out, 0, ADDRESS_BYTES) ? -Errno.EINVAL : this.#symbols.otb_socket_name(fd, 0, out);
  }

  /** Fills an address record with the peer's address; 0 or a negative errno. */
  remoteAddress(fd: number, out: Bytes): number {
    return bad(out, 0, ADDRESS_BYTES) ? -Errno.EINVAL : this.#symbols.otb_socket_name(fd, 1, out);
  }

  /** Bytes read, 0 at the end of the stream, or a negative errno. */
  read(fd: number, buffer: Bytes, offset: number, length: number): number {
    if (bad(buffer, offset, length)) return -Errno.EINVAL;
    return this.#symbols.otb_read(fd, buffer, offset, length);
  }

  /** Bytes written, or a negative errno; never raises SIGPIPE. */
  write(fd: number, buffer: Bytes, offset: number, length: number): number {
    if (bad(buffer, offset, length)) return -Errno.EINVAL;
    return this.#symbols.otb_write(fd, buffer, offset, length);
  }

  /** As `write`, for bytes that more or the end follows at once: they go in the same segment (send(2), MSG_MORE). */
  writeMore(fd: number, buffer: Bytes, offset: number, length: number): number {
    if (bad(buffer, offset, length)) return -Errno.EINVAL;
    return this.#symbols.otb_write_more(fd, buffer, offset, length);
  }

  /** Ends the sending direction (FIN); 0 or a negative errno. */
  shutdown(fd: number): number {
    return this.#symbols.otb_shutdown(fd, 1);
  }

  /** Closes; queued data is still delivered, unless it resets on close. */
  close(fd: number): void {
    this.#symbols.otb_close(fd, 0);
  }

  /** Closes what would reset on close; queued data is still delivered. */
  closeInOrder(fd: number): void {
    this.#symbols.otb_close(fd, IN_ORDER);
  }

  /** Closes at once and drops what is queued: RST, or MPTCP fast close. */
  abort(fd: number): void {
    this.#symbols.otb_close(fd, ABORT);
  }

  /** Raises the limit of open descriptors of this process towards `wanted` as far as it may go, and returns what it is. */
  descriptors(wanted: number): number {
    return checked(this.#symbols.otb_descriptors(wanted), "read the limit of descriptors");
  }

  /** TCP_NODELAY; 0 or a negative errno, as for all options here. */
  setNoDelay(fd: number, on: boolean): number {
    return this.#symbols.otb_option_set(fd, 6, 1, on ? 1 : 0);
  }

  /** TCP_NOTSENT_LOWAT: writable only while fewer bytes than this are unsent. */
  setNotSentLowat(fd: number, bytes: number): number {
    return this.#symbols.otb_option_set(fd, 6, 25, bytes);
  }

  /** SO_MARK; reaches all subflows. */
  setMark(fd: number, mark: number): number {
    return this.#symbols.otb_option_set(fd, 1, 36, mark | 0);
  }

  /** TCP_CONGESTION; reaches all subflows. -ENOENT when this namespace does not know or allow it. */
  setCongestion(fd: number, name: string): number {
    const bytes = text(name)!;
    return this.#symbols.otb_congestion_set(fd, bytes, bytes.length);
  }

  /** Turns keepalive on with these times; a number is the idle time alone, the rest as the namespace has it. */
  setKeepalive(fd: number, keepalive: Keepalive | number): number {
    const set = (level: number, name: number, value: number) =>
      this.#symbols.otb_option_set(fd, level, name, value);
    if (typeof keepalive === "number") return set(1, 9, 1) || set(6, 4, keepalive);
    return set(1, 9, 1) || set(6, 4, keepalive.idleSeconds) || set(6, 5, keepalive.intervalSeconds) ||
      set(6, 6, keepalive.count) ||
      (keepalive.userTimeoutMs === undefined ? 0 : set(6, 18, keepalive.userTimeoutMs));
  }

  /** Whether a connected socket speaks MPTCP and has not fallen back (TCP_IS_MPTCP). */
  isMptcp(fd: number): boolean {
    return this.#symbols.otb_option_get(fd, 6, 43) === 1;
  }

  /** What the kernel knows of a TCP connection; undefined when the socket is none. */
  tcpInfo(fd: number): TcpInfo | undefined {
    return this.#symbols.otb_tcp_info(fd, this.#info, TCP_INFO_BYTES) < 0
      ? undefined
      : decodeTcpInfo(this.#infoView, 0);
  }

  /** Bytes in its send queue that were never sent; a negative errno. */
  unsent(fd: number): number {
    return this.#symbols.otb_unsent(fd);
  }

  /** Bytes in its send queue that the other end has not confirmed, those never sent included; a negative errno. */
  unconfirmed(fd: number): number {
    return this.#symbols.otb_unconfirmed(fd);
  }

  /** Tells of an MPTCP connection and its subflows; undefined when the socket is not MPTCP. */
  mptcpInfo(fd: number): MptcpInfo | undefined {
    const head = 96, size = 48 + TCP_INFO_BYTES;
    const bytes = new Uint8Array(head + 16 * size);
    const count = this.#symbols.otb_mptcp_info(fd, bytes, bytes.length);
    if (count < 0) return undefined;
    const view = new DataView(bytes.buffer);
    const subflows = Array.from({ length: count }, (_, index) => {
      const at = head + index * size;
      return {
        ...decodeTcpInfo(view, at + 48),
        local: decodeAddress(bytes, at),
        remote: decodeAddress(bytes, at + 20),
        id: view.getUint32(at + 40, true),
      };
    });
    return {
      token: view.getUint32(12, true),
      fallback: (view.getUint32(8, true) & 1) !== 0,
      bytesRetransmitted: Number(view.getBigUint64(48, true)),
      bytesSent: Number(view.getBigUint64(56, true)),
      bytesReceived: Number(view.getBigUint64(64, true)),
      bytesAcked: Number(view.getBigUint64(72, true)),
      subflows,
    };
  }

  /** A new epoll set. */
  poll(): Poll {
    return new Poll(this.#symbols);
  }

  /**
   * Starts one direction of an encrypted stream.
   * @throws OtbError `aead-key-length`
   */
  aead(method: AeadMethod, key: Bytes, salt: Bytes): AeadSession {
    return new AeadSession(this.#symbols, method, key, salt);
  }

  /**
   * Seals or opens an identity header in place (SIP023, TCP): one block of 16 bytes under a key made of the identity key and of
   * the salt that `salt` begins with, both 32 bytes. Nothing proves an opened one.
   * @throws OtbError `native-einval` for other lengths
   */
  identity(identityKey: Bytes, salt: Bytes, block: Bytes, way: "seal" | "open"): void {
    const isSized = identityKey.length === KEY_BYTES && salt.length >= SALT_BYTES && block.length === 16;
    checked(
      isSized ? this.#symbols.otb_identity(identityKey, salt, block, way === "seal" ? 0 : 1) : -Errno.EINVAL,
      `${way} an identity header`,
    );
  }

  /** Fills the buffer with random bytes of the kernel, fit for keys and salts. */
  random(buffer: Bytes): Bytes {
    checked(this.#symbols.otb_random(buffer, buffer.byteLength), "get random bytes");
    return buffer;
  }

  /** A random number from 0 to 2^32 - 1. */
  randomUint32(): number {
    const four = this.random(new Uint8Array(4));
    return new DataView(four.buffer).getUint32(0, true);
  }

  /**
   * The keyed BLAKE3 of the data, 32 bytes, under a key of 32.
   * @throws OtbError `mac-key-length`
   */
  mac(key: Bytes, data: Bytes): Bytes {
    keyOf32(key, "mac", "key of a MAC");
    const out = new Uint8Array(KEY_BYTES);
    this.#symbols.otb_mac(key, data, data.byteLength, out);
    return out;
  }

  /** The plain BLAKE3 of the data, 32 bytes. */
  hash(data: Bytes): Bytes {
    const out = new Uint8Array(KEY_BYTES);
    this.#symbols.otb_mac(null, data, data.byteLength, out);
    return out;
  }

  /** Whether both hold the same bytes, in a time that tells only their lengths. */
  equal(one: Bytes, other: Bytes): boolean {
    return one.byteLength === other.byteLength &&
      this.#symbols.otb_equal(one, other, one.byteLength) === 1;
  }

  /** A new pair of X25519 keys. */
  noiseKeyPair(): { privateKey: Bytes; publicKey: Bytes } {
    const privateKey = this.random(new Uint8Array(KEY_BYTES));
    return { privateKey, publicKey: this.noisePublicKey(privateKey) };
  }

  /**
   * The public key of a private one.
   * @throws OtbError `noise-key-length`
   */
  noisePublicKey(privateKey: Bytes): Bytes {
    keyOf32(privateKey, "noise", "private key");
    const publicKey = new Uint8Array(KEY_BYTES);
    checked(this.#symbols.otb_noise_public_key(privateKey, publicKey), "make a public key");
    return publicKey;
  }

  /**
   * Starts a handshake.
   * @throws OtbError `noise-key-length`, `noise-refused`
   */
  noise(options: NoiseOptions): NoiseHandshake {
    return new NoiseHandshake(this.#symbols, options);
  }

  /** A receiver for all tunnel sessions of this process. */
  tunnelReceiver(): TunnelReceiver {
    return new TunnelReceiver(this.#symbols);
  }

  /** Whether some program keeps the system's clock by now (STA_UNSYNC of clock_adjtime(2) is not set). */
  clockIsKept(): boolean {
    return checked(this.#symbols.otb_clock_adjust(0n, 0), "look at the clock") !== TIME_ERROR;
  }

  /**
   * Corrects the system's clock by so many milliseconds: `step` at once, `slew` by at most half a millisecond a second.
   * @throws OtbError `native-eperm` without CAP_SYS_TIME
   */
  correctClock(offsetMs: number, how: "step" | "slew"): void {
    const micros = BigInt(Math.round(offsetMs * 1_000));
    checked(this.#symbols.otb_clock_adjust(micros, how === "step" ? 1 : 2), "correct the clock");
  }

  /**
   * All TCP sockets of this network namespace with that remote port (box) or local port (peer), subflows included.
   * @throws OtbError `native-<errno>`
   */
  tcpDiag(filter: { remotePort?: number; localPort?: number }): TcpDiag[] {
    const found: TcpDiag[] = [];
    for (const family of [2, 10]) {
      const { localPort = 0, remotePort = 0 } = filter;
      const dump = () =>
        checked(
          this.#symbols.otb_tcp_diag(
            family,
            localPort,
            remotePort,
            this.#diag,
            this.#diag.length / DIAG_BYTES,
          ),
          "list TCP sockets",
        );
      let count = dump();
      // It counts on when the buffer is full; sockets may come meanwhile, hence the slack.
      while (count * DIAG_BYTES > this.#diag.length) {
        this.#diag = new Uint8Array((count + 64) * DIAG_BYTES);
        count = dump();
      }
      for (let index = 0; index < count; index++) found.push(decodeDiag(this.#diag, index * DIAG_BYTES));
    }
    return found;
  }

  /** The text of /proc/net/dev: what network devices of this namespace have carried. @throws OtbError `native-<errno>` */
  carried(): string {
    const read = () =>
      checked(this.#symbols.otb_carried(this.#carried, this.#carried.length), "read what devices carried");
    let length = read();
    while (length === this.#carried.length) {
      this.#carried = new Uint8Array(length * 2);
      length = read();
    }
    return new TextDecoder().decode(this.#carried.subarray(0, length));
  }

  /**
   * Opens a socket to the kernel (netlink(7)) that hears these groups; messages are read and written whole with `read` and
   * `write`, which answers -ENOBUFS when some were lost. `namespace` is a path like `/run/netns/NAME`.
   * @throws OtbError `native-<errno>`
   */
  netlinkOpen(protocol: number, groups: number[], namespace = ""): number {
    const path = text(namespace)!;
    return checked(
      this.#symbols.otb_netlink_open(protocol, new Uint8Array(groups), groups.length, path, path.length),
      `open a netlink socket of protocol ${protocol}`,
    );
  }

  /**
   * Opens a TUN device.
   * @throws OtbError `native-<errno>`
   */
  tun(name: string, options: TunOptions): Tun {
    return new Tun(this.#symbols, name, options);
  }

  /**
   * The MAC address of who has an address (an address record) on the interface of that index, as the kernel knows its
   * neighbours (rtnetlink(7)); undefined when it does not.
   */
  neighbour(address: Bytes, interfaceIndex: number): string | undefined {
    if (bad(address, 0, ADDRESS_BYTES)) return undefined;
    const mac = new Uint8Array(6);
    if (this.#symbols.otb_neighbour(address, interfaceIndex, mac) !== mac.length) return undefined;
    return Array.from(mac, (byte) => byte.toString(16).padStart(2, "0")).join(":");
  }

  /**
   * Opens a packet socket, nonblocking, on the interface of that index (packet(7)): `read` and `write` then take one
   * whole Ethernet frame each. Never sees what this machine sends. Needs CAP_NET_RAW.
   * @throws OtbError `native-<errno>` (`native-enodev` when the interface went away)
   */
  packetOpen(interfaceIndex: number, { filter, promiscuous }: PacketOptions): number {
    const fd = this.#symbols.otb_packet_open(
      interfaceIndex,
      encodeBpf(filter),
      filter.length,
      promiscuous ? 1 : 0,
    );
    return checked(fd, `open a packet socket on interface ${interfaceIndex}`, "it needs CAP_NET_RAW");
  }

  /**
   * Opens a UDP socket, nonblocking; a wildcard IPv6 address serves IPv4 too.
   * @throws OtbError `native-<errno>`
   */
  udpOpen(local: Address | Bytes, options: UdpOptions = {}): number {
    const device = text(options.device);
    const flags = (options.gro ? 1 : 0) | (options.reusePort ? REUSE_PORT : 0) | (options.icmp ? 8 : 0) |
      (options.whole ? 16 : 0) | (options.marks ? 32 : 0) | (options.local ? 64 : 0);
    const bytes = record(local);
    const mark = options.mark ?? 0;
    return checked(
      this.#symbols.otb_udp_open(bytes, device, device?.length ?? 0, mark, options.bufferBytes ?? 0, flags),
      `open UDP on ${show(bytes)}`,
    );
  }

  /**
   * Sends bytes as datagrams of `segmentSize` (the last may be shorter; 0: all as one) with one call (UDP_SEGMENT).
   * At most 64 segments and 65,507 bytes. `local` as for `TunnelKeys.send`. Returns the bytes sent or a negative errno.
   */
  udpSend(
    fd: number,
    remote: Bytes,
    buffer: Bytes,
    offset: number,
    length: number,
    segmentSize: number,
    local: Bytes | null = null,
  ): number {
    if (bad(buffer, offset, length) || bad(remote, 0, ADDRESS_BYTES)) return -Errno.EINVAL;
    if (local && bad(local, 0, ADDRESS_BYTES)) return -Errno.EINVAL;
    return this.#symbols.otb_udp_send(fd, remote, local, buffer, offset, length, segmentSize);
  }

  /**
   * Receives up to MAX_MESSAGES messages (recvmmsg) into equal slots of `buffer`, as many as `meta` has records of
   * UDP_META_BYTES; with `gro` give slots of 64 KiB. Each record says where a message lies, and the size of the
   * datagrams it is made of. Returns the count or a negative errno.
   */
  udpReceive(fd: number, buffer: Bytes, meta: Bytes): number {
    const slots = Math.min(MAX_MESSAGES, Math.floor(meta.byteLength / UDP_META_BYTES));
    return this.#symbols.otb_udp_receive(fd, buffer, buffer.byteLength, meta, slots);
  }
}

function show(bytes: Bytes): string {
  const { host, port } = decodeAddress(bytes);
  return `${host}:${port}`;
}

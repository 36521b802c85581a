// TCP and MPTCP sockets.
import { type Address, ADDRESS_BYTES, decodeAddress, recordOf, showAddress } from "./address.ts";
import { encodeText, isOutside } from "./checks.ts";
import { checked, Errno } from "./errors.ts";
import type { Bytes, Symbols } from "./symbols.ts";
import { decodeTcpInfo, TCP_INFO_BYTES, type TcpInfo } from "./tcp_info.ts";

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
const LISTEN_MPTCP = 1, TRANSPARENT = 2, RESET_ON_CLOSE = 8;
/** In the flags of listening and of UDP. */
export const REUSE_PORT = 4;
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

/** Far enough from the start of a page, and a line of the cache. */
const OFF_PAGE = 64;

/**
 * Memory for `read`. It does not begin with a page, as large arrays do and what a local sender left in the kernel: processors may
 * copy five times slower (Zen 3, rep movsb) where source and target lie less than 16 bytes apart in their pages.
 */
export function readBuffer(length: number): Bytes {
  return new Uint8Array(new ArrayBuffer(OFF_PAGE + length), OFF_PAGE);
}

/** All calls on sockets of TCP. */
export class Sockets {
  #symbols: Symbols;
  readonly #info = new Uint8Array(TCP_INFO_BYTES);
  readonly #infoView = new DataView(this.#info.buffer);

  constructor(symbols: Symbols) {
    this.#symbols = symbols;
  }

  /**
   * Listens, nonblocking; a wildcard IPv6 address serves IPv4 too.
   * @throws OtbError `native-<errno>`
   */
  listen(local: Address | Bytes, options: ListenOptions = {}): Socket {
    const flags = (options.mptcp ? LISTEN_MPTCP : 0) | (options.transparent ? TRANSPARENT : 0) |
      (options.reusePort ? REUSE_PORT : 0) | (options.resetOnClose ? RESET_ON_CLOSE : 0);
    const bytes = recordOf(local);
    const result = this.#symbols.otb_listen(bytes, flags, options.backlog ?? 1024);
    const fd = checked(result, `listen on ${showAddress(bytes)}`);
    return { fd: fd & ~PLAIN_TCP, mptcp: !!options.mptcp && !(fd & PLAIN_TCP) };
  }

  /**
   * Accepts one connection, nonblocking, and fills two address records: the peer's, and the local one (under nft `tproxy`
   * the address the client wanted; null where nobody asks, which saves a call). Returns the descriptor or a negative errno
   * (-EAGAIN when none waits).
   */
  accept(fd: number, peer: Bytes, local: Bytes | null): number {
    if (isOutside(peer, 0, ADDRESS_BYTES) || local && isOutside(local, 0, ADDRESS_BYTES)) {
      return -Errno.EINVAL;
    }
    return this.#symbols.otb_accept(fd, peer, local);
  }

  /**
   * Starts to connect; wait for `PollEvents.out`, then ask `connectResult`. First data does not go in the SYN.
   * @throws OtbError `native-<errno>` when it fails at once, such as `native-enetunreach`
   */
  connect(remote: Address | Bytes, options: ConnectOptions = {}): Socket {
    const flags = (options.mptcp ? LISTEN_MPTCP : 0) | (options.transparent ? TRANSPARENT : 0) |
      (options.resetOnClose ? RESET_ON_CLOSE : 0);
    const bytes = recordOf(remote);
    const source = options.source === undefined ? null : recordOf(options.source);
    const device = encodeText(options.device);
    const mark = options.mark ?? 0;
    const result = this.#symbols.otb_connect(bytes, source, device, device?.length ?? 0, mark, flags);
    const fd = result >= 0 ? result : checked(result, `connect to ${showAddress(bytes)}`);
    return { fd: fd & ~PLAIN_TCP, mptcp: !!options.mptcp && !(fd & PLAIN_TCP) };
  }

  /** 0 when connected, else the negative errno why not (SO_ERROR; reading clears it). */
  connectResult(fd: number): number {
    const error = this.#symbols.otb_option_get(fd, 1, 4);
    return error > 0 ? -error : error;
  }

  /** Fills an address record with the own address of a socket; 0 or a negative errno. */
  localAddress(fd: number, out: Bytes): number {
    return isOutside(out, 0, ADDRESS_BYTES) ? -Errno.EINVAL : this.#symbols.otb_socket_name(fd, 0, out);
  }

  /** Fills an address record with the peer's address; 0 or a negative errno. */
  remoteAddress(fd: number, out: Bytes): number {
    return isOutside(out, 0, ADDRESS_BYTES) ? -Errno.EINVAL : this.#symbols.otb_socket_name(fd, 1, out);
  }

  /** Bytes read, 0 at the end of the stream, or a negative errno. */
  read(fd: number, buffer: Bytes, offset: number, length: number): number {
    if (isOutside(buffer, offset, length)) return -Errno.EINVAL;
    return this.#symbols.otb_read(fd, buffer, offset, length);
  }

  /** Bytes written, or a negative errno; never raises SIGPIPE. */
  write(fd: number, buffer: Bytes, offset: number, length: number): number {
    if (isOutside(buffer, offset, length)) return -Errno.EINVAL;
    return this.#symbols.otb_write(fd, buffer, offset, length);
  }

  /** As `write`, for bytes that more or the end follows at once: they go in the same segment (send(2), MSG_MORE). */
  writeMore(fd: number, buffer: Bytes, offset: number, length: number): number {
    if (isOutside(buffer, offset, length)) return -Errno.EINVAL;
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
    const bytes = encodeText(name);
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
}

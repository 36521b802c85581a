// The loaded library: everything that is asked of it.
import { type Address, ADDRESS_BYTES, recordOf, showAddress } from "./address.ts";
import { type AeadMethod, AeadSession, SALT_BYTES } from "./aead.ts";
import { checkKey, encodeText, isOutside, KEY_BYTES } from "./checks.ts";
import { decodeDiag, DIAG_BYTES, type TcpDiag } from "./diag.ts";
import { checked, Errno } from "./errors.ts";
import { NoiseHandshake, type NoiseOptions } from "./noise.ts";
import { encodeBpf, type PacketOptions } from "./packet.ts";
import { Poll } from "./poll.ts";
import { TunnelReceiver } from "./receiver.ts";
import { REUSE_PORT, Sockets } from "./socket.ts";
import type { Bytes, Symbols } from "./symbols.ts";
import { Tun, type TunOptions } from "./tun.ts";
import { MAX_MESSAGES, UDP_META_BYTES, type UdpOptions } from "./udp.ts";

/** No program keeps the clock (clock_adjtime(2)). */
const TIME_ERROR = 5;

/** The loaded library. */
export class Native extends Sockets {
  #symbols: Symbols;
  #diag = new Uint8Array(64 * DIAG_BYTES);
  #carried = new Uint8Array(4096);

  /** Use `openNative`. */
  constructor(readonly path: string, symbols: Symbols) {
    super(symbols);
    this.#symbols = symbols;
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
    checkKey(key, "mac", "key of a MAC");
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
    checkKey(privateKey, "noise", "private key");
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
    const path = encodeText(namespace);
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
    if (isOutside(address, 0, ADDRESS_BYTES)) return undefined;
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
    const device = encodeText(options.device);
    const flags = (options.gro ? 1 : 0) | (options.reusePort ? REUSE_PORT : 0) | (options.icmp ? 8 : 0) |
      (options.whole ? 16 : 0) | (options.marks ? 32 : 0) | (options.local ? 64 : 0);
    const bytes = recordOf(local);
    const mark = options.mark ?? 0;
    return checked(
      this.#symbols.otb_udp_open(bytes, device, device?.length ?? 0, mark, options.bufferBytes ?? 0, flags),
      `open UDP on ${showAddress(bytes)}`,
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
    if (isOutside(buffer, offset, length) || isOutside(remote, 0, ADDRESS_BYTES)) return -Errno.EINVAL;
    if (local && isOutside(local, 0, ADDRESS_BYTES)) return -Errno.EINVAL;
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

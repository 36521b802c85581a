// TUN devices.
import { encodeText } from "./checks.ts";
import { checked, Errno } from "./errors.ts";
import type { Bytes, Symbols } from "./symbols.ts";

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
    const bytes = encodeText(name);
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

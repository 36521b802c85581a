// Sending through the tunnel: keys of a session, and packets sealed under them.
import { OtbError } from "../../contract/mod.ts";
import { ADDRESS_BYTES } from "./address.ts";
import { isOutside } from "./checks.ts";
import { Errno } from "./errors.ts";
import type { Bytes, Symbols } from "./symbols.ts";

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
    if (local && isOutside(local, 0, ADDRESS_BYTES)) return -Errno.EINVAL;
    if (isOutside(remote, 0, ADDRESS_BYTES) || !(count >= 0 && 2 * count <= items.length)) {
      return -Errno.EINVAL;
    }
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

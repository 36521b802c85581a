// Receiving from the tunnel: all sessions of a process.
import { checked, Errno } from "./errors.ts";
import type { Bytes, Symbols } from "./symbols.ts";
import type { TunnelKeys } from "./tunnel.ts";

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

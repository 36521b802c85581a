// Packet sockets: whole Ethernet frames.
import type { Bytes } from "./symbols.ts";

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

/** A filter as the kernel takes it. */
export function encodeBpf(filter: readonly BpfInstruction[]): Bytes {
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

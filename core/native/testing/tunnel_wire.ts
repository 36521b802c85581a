// For tests only: a sender and a receiver of the tunnel on loopback, and keys for both.
import assert from "node:assert/strict";
import {
  ADDRESS_BYTES,
  decodeAddress,
  encodeAddress,
  FIRST_PACKET,
  openNative,
  RECORD_WORDS,
  type TunnelKeys,
  TunnelRecord,
  UDP_META_BYTES,
  type UdpOptions,
} from "../ffi.ts";
import { ready } from "./namespace.ts";

export type Bytes = Uint8Array<ArrayBuffer>;
const native = openNative();

export const random = (length: number) => native.random(new Uint8Array(length));

export const STRIDE = 2048, HEADROOM = 40, SLOTS = 512, LARGEST = STRIDE - HEADROOM;

/** What a test sees of one delivered datagram. */
export interface Delivered {
  bytes: Bytes;
  tag: number;
  path: number;
  counter: number;
  wireBytes: number;
  tos: number;
  ageMicros: number;
  remote: string;
  first: boolean;
}

/** The keys of two ends that shook hands: packets to `far` carry index 20, to `near` 10. */
export function keys(): { near: TunnelKeys; far: TunnelKeys } {
  const own = native.noiseKeyPair(), other = native.noiseKeyPair();
  const common = { psk: random(32), prologue: new Uint8Array(0) };
  const { publicKey: remotePublicKey, privateKey } = other;
  const one = native.noise({ initiator: true, privateKey: own.privateKey, remotePublicKey, ...common });
  const two = native.noise({ initiator: false, privateKey, ...common });
  const message = new Uint8Array(200), empty = new Uint8Array(0);
  two.read(message.subarray(0, one.write(empty, message)), new Uint8Array(200));
  one.read(message.subarray(0, two.write(empty, message)), new Uint8Array(200));
  return { near: one.split(10, 20), far: two.split(20, 10) };
}

/** A sender and a receiver on loopback, and keys for both; gone with `using`. */
export class Wire {
  near: TunnelKeys;
  far: TunnelKeys;
  receiver = native.tunnelReceiver();
  out: number;
  in: number;
  to: Bytes;
  arena = new Uint8Array(SLOTS * STRIDE);
  records = new Uint32Array(SLOTS * RECORD_WORDS);

  constructor(host = "127.0.0.1", inside: UdpOptions = {}, own = host) {
    ({ near: this.near, far: this.far } = keys());
    this.receiver.add(20, this.far, 7);
    this.out = native.udpOpen({ host, port: 0 }, { bufferBytes: 4_000_000 });
    this.in = native.udpOpen({ host: own, port: 0 }, {
      gro: true,
      marks: true,
      bufferBytes: 16_000_000,
      ...inside,
    });
    const bound = new Uint8Array(ADDRESS_BYTES);
    native.localAddress(this.in, bound);
    this.to = encodeAddress({ host, port: decodeAddress(bound).port });
  }

  send(packets: Bytes[], path = 0, tos = 0): number {
    const arena = new Uint8Array(Buffer.concat(packets));
    const items = new Uint32Array(2 * packets.length);
    let offset = 0;
    for (const [index, packet] of packets.entries()) {
      items.set([offset, packet.length], 2 * index);
      offset += packet.length;
    }
    return this.near.send(this.out, this.to, path, tos, arena, items, packets.length);
  }

  raw(datagram: Bytes): void {
    const sent = native.udpSend(this.out, this.to, datagram, 0, datagram.length, 0);
    assert.equal(sent, datagram.length);
  }

  /** One call; slots are given from the last to the first, to show that their order is heeded. */
  receive(free = SLOTS): Delivered[] | number {
    const slots = Int32Array.from({ length: free }, (_, index) => free - 1 - index);
    const count = this.receiver.receive(this.in, this.arena, STRIDE, HEADROOM, slots, free, this.records);
    if (count < 0) return count;
    return Array.from({ length: count }, (_, index) => {
      const record = this.records.subarray(index * RECORD_WORDS, (index + 1) * RECORD_WORDS);
      const word = (name: keyof typeof TunnelRecord) => record[TunnelRecord[name]]!;
      assert.equal(word("slot"), free - 1 - index);
      const start = word("slot") * STRIDE + HEADROOM;
      return {
        bytes: this.arena.slice(start, start + word("length")),
        tag: word("tag"),
        path: word("path"),
        counter: word("counterLow") + 2 ** 32 * word("counterHigh"),
        wireBytes: word("wireBytes"),
        tos: word("tos"),
        ageMicros: word("ageMicros"),
        remote: decodeAddress(new Uint8Array(record.slice(TunnelRecord.remote).buffer)).host,
        first: (word("flags") & FIRST_PACKET) !== 0,
      };
    });
  }

  /** All that comes until `bytes` of wire are there or nothing more does. */
  receiveAll(count: number): Delivered[] {
    const all: Delivered[] = [];
    while (all.length < count) {
      ready(this.in, "in");
      const some = this.receive();
      assert.ok(typeof some !== "number" && some.length > 0, `received ${some}`);
      all.push(...some);
    }
    return all;
  }

  /** [forged, replayed or too old, unknown, unfit] */
  get counts(): number[] {
    const counts = new Float64Array(4);
    this.receiver.counts(counts);
    return [...counts];
  }

  /** Sends one datagram that must not be delivered, and returns what was counted. */
  dropped(datagram: Bytes): number[] {
    const before = this.counts;
    this.raw(datagram);
    ready(this.in, "in");
    assert.deepEqual(this.receive(), []);
    return this.counts.map((count, index) => count - before[index]!);
  }

  /** Takes what was sent off the wire, without opening it. */
  intercept(): Bytes[] {
    const buffer = new Uint8Array(64 * 2048), meta = new Uint8Array(UDP_META_BYTES);
    const words = new Uint32Array(meta.buffer), all: Bytes[] = [];
    while (native.udpReceive(this.in, buffer, meta) > 0) {
      for (let at = 0; at < words[1]!; at += words[2]!) {
        all.push(buffer.slice(at, Math.min(at + words[2]!, words[1]!)));
      }
    }
    return all;
  }

  [Symbol.dispose](): void {
    this.receiver.free();
    this.near.free();
    this.far.free();
    native.close(this.out);
    native.close(this.in);
  }
}

/** Datagrams of these plaintexts, sealed by the library. */
export function sealed(wire: Wire, packets: Bytes[], path = 0): Bytes[] {
  assert.equal(wire.send(packets, path), packets.length);
  const all: Bytes[] = [];
  while (all.length < packets.length) {
    ready(wire.in, "in");
    all.push(...wire.intercept());
  }
  return all;
}

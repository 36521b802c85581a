// What both ends of a datagram flow share: the shape of a flow, sockets read in batches, and a sender at a constant rate.
import {
  ADDRESS_BYTES,
  Errno,
  type Native,
  type Poll,
  PollEvents,
  UDP_META_BYTES,
} from "../../core/native/ffi.ts";
import { HEADER_BYTES, Kind, payloadOf, writeHeader } from "./datagram_meter.ts";
import { monotonicUs, setReceiveBuffer, setTos } from "./libc.ts";

/** One direction of what a client asks for. */
export interface FlowSpec {
  packetsPerSecond: number;
  /** Of UDP payload, 24 and up. */
  bytes: number;
  /** TOS or traffic class byte; default 0. */
  tos?: number;
  /** Datagrams per call (UDP_SEGMENT), 1 to 60; default 1, as most programs do. */
  batch?: number;
}

/** What a client asks a server for, in its greeting. */
export interface SessionSpec {
  up?: FlowSpec;
  down?: FlowSpec;
  seconds: number;
  /** The first seconds count for nothing but the order. */
  skipSeconds: number;
  /** Sockets of the client. */
  flows: number;
}

/** What a sender did. */
export interface Sent {
  /** Datagrams that count. */
  sent: number;
  /** Those that the kernel did not take. */
  refused: number;
  /** Of the last that counts, CLOCK_MONOTONIC; 0 before. */
  lastUs: number;
}

const SLOTS = 32, SLOT_BYTES = 65_536, BUFFER_BYTES = 8 << 20;

/** UDP sockets with one event loop; datagrams up to 64 KiB. */
export class DatagramSockets {
  readonly fds: number[] = [];
  #poll: Poll;
  #events = new Uint32Array(2 * 256);
  #buffer = new Uint8Array(SLOTS * SLOT_BYTES);
  #meta = new Uint8Array(SLOTS * UDP_META_BYTES);
  #view = new DataView(this.#meta.buffer);

  constructor(readonly native: Native, count: number, host: string, port: number, whole: boolean) {
    this.#poll = native.poll();
    for (let index = 0; index < count; index++) {
      const fd = native.udpOpen({ host, port: port === 0 ? 0 : port + index }, { whole });
      this.fds.push(fd);
      setReceiveBuffer(fd, BUFFER_BYTES);
      this.#poll.add(fd, PollEvents.in, index);
    }
  }

  /** Waits for datagrams, and hands each over with the index of its socket and its sender's address record. */
  async receive(
    timeoutMs: number,
    take: (
      packet: Uint8Array<ArrayBuffer>,
      socket: number,
      remote: Uint8Array<ArrayBuffer>,
      nowUs: number,
    ) => void,
  ): Promise<void> {
    const ready = this.#poll.wait(this.#events, 0) || await this.#poll.waitAsync(this.#events, timeoutMs);
    for (let event = 0; event < ready; event++) {
      const socket = this.#events[2 * event]!;
      for (;;) {
        const count = this.native.udpReceive(this.fds[socket]!, this.#buffer, this.#meta);
        const nowUs = monotonicUs();
        for (let index = 0; index < count; index++) {
          const at = index * UDP_META_BYTES;
          const offset = this.#view.getUint32(at, true), length = this.#view.getUint32(at + 4, true);
          const remote = this.#meta.subarray(at + 12, at + 12 + ADDRESS_BYTES);
          take(this.#buffer.subarray(offset, offset + length), socket, remote, nowUs);
        }
        if (count < SLOTS) break;
      }
    }
  }
}

/** Where a sender's next datagram goes: a socket and an address record. */
export interface Target {
  fd: number;
  remote: Uint8Array<ArrayBuffer>;
}

/** Sends datagrams of one direction of a session at a constant rate, in turn for each flow. */
export class DatagramSender {
  readonly sent: Sent = { sent: 0, refused: 0, lastUs: 0 };
  #startUs: number | undefined;
  #done = 0;
  #total: number;
  #early: number;
  #batch: number;
  #buffer: Uint8Array<ArrayBuffer>;
  #sequences: number[] = [];

  constructor(
    private readonly native: Native,
    private readonly session: number,
    private readonly flow: FlowSpec,
    { seconds, skipSeconds }: SessionSpec,
    private readonly isIpv6: boolean,
  ) {
    this.#total = Math.round(seconds * flow.packetsPerSecond);
    this.#early = Math.round(skipSeconds * flow.packetsPerSecond);
    this.#batch = Math.min(flow.batch ?? 1, 60, Math.max(1, Math.floor(65_000 / flow.bytes)));
    this.#buffer = new Uint8Array(this.#batch * flow.bytes);
  }

  get isDone(): boolean {
    return this.#done >= this.#total;
  }

  /** Sends what is due. @param targets by flow */
  tick(targets: Target[]): void {
    if (targets.length === 0) return;
    const nowUs = monotonicUs();
    this.#startUs ??= nowUs;
    const { packetsPerSecond, bytes, tos = 0 } = this.flow;
    const due = Math.min(this.#total, 1 + Math.floor((nowUs - this.#startUs) * packetsPerSecond / 1e6));
    // A whole batch at once, or what is left in the end.
    while (due - this.#done >= this.#batch || due === this.#total && this.#done < due) {
      const count = Math.min(this.#batch, due - this.#done);
      const flow = Math.floor(this.#done / this.#batch) % targets.length;
      const { fd, remote } = targets[flow]!;
      const kind = this.#done < this.#early ? Kind.early : Kind.data;
      let sequence = this.#sequences[flow] ?? 0;
      for (let index = 0; index < count; index++, sequence++) {
        const packet = this.#buffer.subarray(index * bytes, (index + 1) * bytes);
        writeHeader(packet, { session: this.session, kind, flow, sequence, sentUs: monotonicUs() });
        packet.set(payloadOf(sequence, bytes - HEADER_BYTES), HEADER_BYTES);
      }
      setTos(fd, tos, this.isIpv6);
      const result = this.native.udpSend(fd, remote, this.#buffer, 0, count * bytes, count > 1 ? bytes : 0);
      if (result === -Errno.EAGAIN) return;
      this.#sequences[flow] = sequence;
      this.#done += count;
      if (kind !== Kind.data) continue;
      this.sent.sent += count;
      if (result < 0) this.sent.refused += count;
      this.sent.lastUs = nowUs;
    }
  }
}

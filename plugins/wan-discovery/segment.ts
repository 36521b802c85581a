// One interface as the finder speaks on it: DHCP and ARP as whole frames, so that no address is needed and none is taken.
import { type Native, type Poll, PollEvents, WAKE_TAG } from "../../core/native/ffi.ts";
import {
  CLIENT_PORT,
  LIMITED_BROADCAST,
  type Message,
  readMessage,
  SERVER_PORT,
  UNSPECIFIED,
  writeMessage,
} from "./dhcp.ts";
import { type Arp, BROADCAST_MAC, readArp, readDatagram, writeArp, writeDatagram } from "./frame.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** Frames taken in one go: a flood must not keep the thread. */
const FRAMES_AT_ONCE = 64;
const ARP_TRIES = 3, ARP_WAIT_MS = 300;
const NO_MAC = "00:00:00:00:00:00";

/** A DHCP message and the station that sent it. */
export interface Heard {
  message: Message;
  stationMac: string;
}

/** Sockets of all segments, waited for together. */
export class Ether {
  readonly #poll: Poll;
  readonly #events = new Uint32Array(2 * 64);
  readonly #handlers = new Map<number, () => void>();
  #waiting: Promise<void> | undefined;
  #closed = false;

  constructor(readonly native: Native) {
    this.#poll = native.poll();
  }

  /** Calls `onReadable` whenever a descriptor has something. */
  watch(fd: number, onReadable: () => void): void {
    this.#handlers.set(fd, onReadable);
    this.#poll.add(fd, PollEvents.in, fd);
    this.#waiting ??= this.#wait();
  }

  forget(fd: number): void {
    this.#handlers.delete(fd);
    this.#poll.remove(fd);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#poll.wake();
    await this.#waiting;
    this.#poll.close();
  }

  async #wait(): Promise<void> {
    while (!this.#closed) {
      const count = await this.#poll.waitAsync(this.#events, 5_000);
      for (let index = 0; index < count; index++) {
        const tag = this.#events[2 * index]!;
        if (tag !== WAKE_TAG) this.#handlers.get(tag)?.();
      }
    }
  }
}

/** One interface, open. */
export class Segment {
  readonly #dhcp: number;
  readonly #arp: number;
  readonly #frame: Bytes = new Uint8Array(2_048);
  readonly #onArp = new Set<(arp: Arp) => void>();

  /** @throws OtbError `native-enodev` and others */
  constructor(
    private readonly ether: Ether,
    readonly name: string,
    readonly mac: string,
    onDhcp: (heard: Heard) => void,
  ) {
    const { native } = ether;
    this.#dhcp = native.packetOpen(name, "dhcp");
    this.#arp = native.packetOpen(name, "arp");
    ether.watch(this.#dhcp, () =>
      this.#read(this.#dhcp, (frame) => {
        const datagram = readDatagram(frame);
        if (datagram?.targetPort !== CLIENT_PORT || datagram.sourceMac === this.mac) return;
        const message = readMessage(datagram.payload);
        if (message?.from === "server") onDhcp({ message, stationMac: datagram.sourceMac });
      }));
    ether.watch(this.#arp, () =>
      this.#read(this.#arp, (frame) => {
        const arp = readArp(frame);
        if (arp && arp.senderMac !== this.mac) { for (const tell of [...this.#onArp]) tell(arp); }
      }));
  }

  close(): void {
    for (const fd of [this.#dhcp, this.#arp]) {
      this.ether.forget(fd);
      this.ether.native.close(fd);
    }
  }

  /** Sends a client's message: to everybody, or from an address to one server. */
  send(message: Message, to?: { mac: string; address: string; from: string }): void {
    this.#write(
      this.#dhcp,
      writeDatagram({
        sourceMac: this.mac,
        targetMac: to?.mac ?? BROADCAST_MAC,
        source: to?.from ?? UNSPECIFIED,
        target: to?.address ?? LIMITED_BROADCAST,
        sourcePort: CLIENT_PORT,
        targetPort: SERVER_PORT,
        payload: writeMessage(message),
      }),
    );
  }

  /** Who has an address: the stations that answer; asked without an address of our own, as RFC 5227 probes do. */
  async whoHas(address: string, from = UNSPECIFIED): Promise<string[]> {
    const stations = new Set<string>();
    const listen = (arp: Arp) => {
      if (arp.senderAddress === address && stations.size < 8) stations.add(arp.senderMac);
    };
    this.#onArp.add(listen);
    try {
      for (let attempt = 0; attempt < ARP_TRIES && stations.size === 0; attempt++) {
        this.#write(
          this.#arp,
          writeArp({
            operation: "request",
            senderMac: this.mac,
            senderAddress: from,
            targetMac: NO_MAC,
            targetAddress: address,
          }),
        );
        await new Promise((resolve) => setTimeout(resolve, ARP_WAIT_MS));
      }
    } finally {
      this.#onArp.delete(listen);
    }
    return [...stations];
  }

  /** An interface without carrier takes nothing; what is lost is sent again by who waits for an answer. */
  #write(fd: number, frame: Bytes): void {
    this.ether.native.write(fd, frame, 0, frame.length);
  }

  #read(fd: number, take: (frame: Bytes) => void): void {
    for (let count = 0; count < FRAMES_AT_ONCE; count++) {
      const length = this.ether.native.read(fd, this.#frame, 0, this.#frame.length);
      if (length <= 0) return;
      take(this.#frame.subarray(0, length));
    }
  }
}

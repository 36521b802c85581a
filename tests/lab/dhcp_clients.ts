// Many DHCP clients on one interface, told what to do by JSON lines on standard input: `dhcp_clients.ts INTERFACE INDEX`.
// Every OFFER, ACK and NAK is a JSON line `{"type","mac","address","atMs"}` on standard output; a client that has an address
// answers ARP for it. Frames are made and read here, so that a client may be as hostile as a test wants.
import { openNative } from "../../core/native/ffi.ts";
import { ANY } from "../../plugins/wan-discovery/frames/addresses.ts";
import {
  CLIENT_PORT,
  type ClientMessage,
  decode,
  encode,
  SERVER_PORT,
} from "../../plugins/wan-discovery/frames/dhcp.ts";
import { arpFrame, parseArp, parseUdp, udpFrame } from "../../plugins/wan-discovery/frames/frames.ts";
import { PacketSockets } from "../../plugins/wan-discovery/frames/packet_sockets.ts";

/** What a test may ask for; `rate` is messages a second. */
export type Order =
  /** DISCOVER, REQUEST, ACK for each, with retries; `hostName` and `raw` options (a hexadecimal string) go along. */
  | { do: "join"; macs: string[]; rate: number; hostName?: string; raw?: string; tries?: number }
  /** Renews every lease in turn, over and over; a rate of 0 ends it. */
  | { do: "renew"; rate: number }
  /** Asks anew for the address that each had (INIT-REBOOT). */
  | { do: "reboot"; rate: number; macs?: string[] }
  /** Refuses what it was given (DHCPDECLINE). */
  | { do: "decline"; mac: string };

/** What happened. */
export interface Answer {
  type: "offer" | "ack" | "nak";
  mac: string;
  address?: string;
  server: string;
  /** Milliseconds since the epoch, with fractions. */
  atMs: number;
}

const RETRY_MS = 2_000;
const RETRIES = 8;
const EVERYBODY = "ff:ff:ff:ff:ff:ff";

/** The n-th invented station of a kind. */
export function macOf(kind: number, count: number): string {
  const bytes = [2, 0x0d, kind, count >> 16 & 255, count >> 8 & 255, count & 255];
  return bytes.map((byte) => byte.toString(16).padStart(2, "0")).join(":");
}

/** All clients of one interface. */
class Clients {
  readonly #wires = new PacketSockets(
    openNative(),
    (_, frame) => this.#take(frame),
    (_, reason) => console.error(reason),
  );
  readonly #leases = new Map<string, { address: string; server: string }>();
  readonly #joining = new Map<string, { order: Order & { do: "join" }; dueMs: number; tries: number }>();
  #renewing: ReturnType<typeof setInterval> | undefined;
  #xid = 0;

  constructor(private readonly device: string, index: number) {
    this.#wires.follow(new Map([[device, index]]));
    setInterval(() => this.#retry(), 100);
  }

  obey(order: Order): void {
    switch (order.do) {
      case "join":
        return void paced(order.macs, order.rate, (mac) => this.#discover(mac, order));
      case "renew": {
        clearInterval(this.#renewing);
        if (order.rate === 0) return;
        let turn = 0;
        this.#renewing = setInterval(() => {
          const all = [...this.#leases];
          if (all.length === 0) return;
          const [mac, { address }] = all[turn++ % all.length]!;
          this.#say(mac, { type: "request", clientAddress: address });
        }, 1000 / order.rate);
        return;
      }
      case "reboot": {
        const all = [...this.#leases].filter(([mac]) => !order.macs || order.macs.includes(mac));
        return void paced(
          all,
          order.rate,
          ([mac, { address }]) => this.#say(mac, { type: "request", requestedAddress: address }),
        );
      }
      case "decline": {
        const { address, server } = this.#leases.get(order.mac)!;
        this.#leases.delete(order.mac);
        return this.#say(order.mac, { type: "decline", requestedAddress: address, server });
      }
    }
  }

  #say(mac: string, message: Partial<ClientMessage> & Pick<ClientMessage, "type">, raw?: string): void {
    let payload = encode({ xid: ++this.#xid, secs: 0, mac, broadcast: !message.clientAddress, ...message });
    if (raw) {
      // Options of its own, before the end of those that were made.
      const end = payload.lastIndexOf(255);
      const own = Uint8Array.from(raw.match(/../g)!, (byte) => parseInt(byte, 16));
      payload = new Uint8Array([...payload.subarray(0, end), ...own, 255]);
    }
    this.#wires.send(
      this.device,
      udpFrame({
        ...{ fromMac: mac, toMac: EVERYBODY, from: message.clientAddress ?? ANY, to: "255.255.255.255" },
        ...{ fromPort: CLIENT_PORT, toPort: SERVER_PORT, payload },
      }),
    );
  }

  #take(frame: Uint8Array<ArrayBuffer>): void {
    const atMs = performance.timeOrigin + performance.now();
    const arp = parseArp(frame);
    if (arp) {
      return arp.operation === "request" ? this.#answerArp(arp.target, arp.senderMac, arp.sender) : undefined;
    }
    const datagram = parseUdp(frame);
    const reply = datagram?.toPort === CLIENT_PORT ? decode(datagram.payload) : undefined;
    if (!reply || !reply.mac.startsWith("02:0d:")) return;
    const { type, mac, address, server } = reply;
    console.log(JSON.stringify({ type, mac, address, server, atMs } satisfies Answer));
    const join = this.#joining.get(mac);
    if (type === "offer" && join) {
      const { hostName, raw } = join.order;
      this.#say(mac, { type: "request", requestedAddress: address, server, hostName }, raw);
    }
    if (type === "ack" && address) {
      this.#joining.delete(mac);
      this.#leases.set(mac, { address, server });
    }
  }

  #answerArp(address: string, toMac: string, to: string): void {
    for (const [mac, lease] of this.#leases) {
      if (lease.address !== address) continue;
      const reply = {
        operation: "reply",
        senderMac: mac,
        sender: address,
        targetMac: toMac,
        target: to,
      } as const;
      this.#wires.send(this.device, arpFrame(reply, toMac));
    }
  }

  #discover(mac: string, order: Order & { do: "join" }, tries = 0): void {
    this.#joining.set(mac, { order, dueMs: performance.now() + RETRY_MS, tries });
    this.#say(mac, { type: "discover", hostName: order.hostName }, order.raw);
  }

  #retry(): void {
    for (const [mac, { order, dueMs, tries }] of this.#joining) {
      if (dueMs > performance.now()) continue;
      if (tries === (order.tries ?? RETRIES)) this.#joining.delete(mac);
      else this.#discover(mac, order, tries + 1);
    }
  }
}

/** One after the other, at a rate that a late timer does not lower. */
async function paced<T>(all: T[], rate: number, each: (one: T) => void): Promise<void> {
  const startMs = performance.now();
  for (const [count, one] of all.entries()) {
    const waitMs = startMs + count * 1000 / rate - performance.now();
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    each(one);
  }
}

if (import.meta.main) {
  const clients = new Clients(Deno.args[0]!, Number(Deno.args[1]));
  console.log(JSON.stringify({ ready: true }));
  let rest = "";
  for await (const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    for (const line of lines) clients.obey(JSON.parse(line));
  }
  Deno.exit(0);
}

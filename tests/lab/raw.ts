// IP protocols other than TCP, UDP and ICMP between a device and the Internet server of a lab, told as JSON lines.
//
//   raw.ts serve PROTOCOL...            hears these protocols and answers each packet; UDP (17) is heard only
//   raw.ts ask ADDRESS PROTOCOL...      sends a packet of each every 200 ms until it is answered or 10 s are over
//
// A packet heard is `{"protocol","from","tos","ttl","right"}`, the last whether it has the bytes that were sent; in the end
// `{"answered":[PROTOCOL...]}`. An answer is the question turned round: its bytes backwards, or for SCTP what a server says.
import { Buffer } from "node:buffer";
import { RawSocket } from "./libc.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** IANA protocol numbers. */
export const Protocol = { ipInIp: 4, udp: 17, ipv6InIp: 41, gre: 47, esp: 50, sctp: 132 } as const;

const SCTP_INIT = 1, SCTP_INIT_ACK = 2, SCTP_TAG = 0x11223344;

/** What is sent of a protocol: its own header where NAT looks into it, and bytes to recognise. */
function question(protocol: number): Bytes {
  if (protocol === Protocol.sctp) return sctp(SCTP_INIT, 0);
  const bytes = new Uint8Array(120).map((_, index) => index * 7 + protocol);
  // Version 0 without options, carrying IPv4 (RFC 2784).
  if (protocol === Protocol.gre) bytes.set([0, 0, 8, 0]);
  // SPI and number (RFC 4303).
  if (protocol === Protocol.esp) bytes.set([0, 0, 0x10, 0x01, 0, 0, 0, 1]);
  return bytes;
}

function answer(protocol: number): Bytes {
  if (protocol === Protocol.sctp) return sctp(SCTP_INIT_ACK, SCTP_TAG);
  const bytes = question(protocol);
  return protocol === Protocol.gre ? bytes : bytes.reverse();
}

/** An association's first packets (RFC 9260, 3.3.2 and 3.3.3): ports, tag, checksum, and one chunk without parameters. */
function sctp(chunk: number, tag: number): Bytes {
  const bytes = new Uint8Array(12 + 20);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, chunk === SCTP_INIT ? 5000 : 5001);
  view.setUint16(2, chunk === SCTP_INIT ? 5001 : 5000);
  view.setUint32(4, tag);
  view.setUint8(12, chunk);
  view.setUint16(14, 20);
  view.setUint32(16, SCTP_TAG);
  view.setUint32(20, 65_536);
  view.setUint16(24, 1);
  view.setUint16(26, 1);
  view.setUint32(28, 1);
  view.setUint32(8, crc32c(bytes), true);
  return bytes;
}

/** Castagnoli's CRC, as SCTP has it (RFC 9260, appendix A). */
function crc32c(bytes: Bytes): number {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? crc >>> 1 ^ 0x82f63b78 : crc >>> 1;
  }
  return ~crc >>> 0;
}

/** Without what NAT changes by right: SCTP's checksum. */
function comparable(protocol: number, payload: Bytes): Bytes {
  const copy = payload.slice();
  if (protocol === Protocol.sctp) copy.fill(0, 8, 12);
  return copy;
}

function heard(protocol: number, packet: Bytes, wanted: Bytes) {
  const payload = packet.subarray((packet[0]! & 15) * 4);
  return {
    protocol,
    from: packet.subarray(12, 16).join("."),
    tos: packet[1],
    ttl: packet[8],
    right: Buffer.compare(comparable(protocol, payload), comparable(protocol, wanted)) === 0,
  };
}

function say(line: object): void {
  console.log(JSON.stringify(line));
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function serve(protocols: number[]): Promise<never> {
  const sockets = protocols.map((protocol) => new RawSocket(protocol));
  say({ listening: protocols });
  for (;;) {
    for (const socket of sockets) {
      for (let packet; (packet = socket.receive());) {
        const line = heard(socket.protocol, packet, question(socket.protocol));
        say(line);
        if (socket.protocol !== Protocol.udp) socket.send(line.from, answer(socket.protocol));
      }
    }
    await pause(10);
  }
}

async function ask(server: string, protocols: number[]): Promise<void> {
  const sockets = protocols.map((protocol) => new RawSocket(protocol));
  const answered = new Set<number>();
  for (let turn = 0; turn < 50 && answered.size < protocols.length; turn++) {
    for (const socket of sockets) {
      if (!answered.has(socket.protocol)) socket.send(server, question(socket.protocol));
    }
    await pause(200);
    for (const socket of sockets) {
      for (let packet; (packet = socket.receive());) {
        const line = heard(socket.protocol, packet, answer(socket.protocol));
        say(line);
        if (line.from === server && line.right) answered.add(socket.protocol);
      }
    }
  }
  say({ answered: [...answered] });
}

if (import.meta.main) {
  const [mode, ...words] = Deno.args;
  if (mode === "serve") await serve(words.map(Number));
  else await ask(words[0]!, words.slice(1).map(Number));
}

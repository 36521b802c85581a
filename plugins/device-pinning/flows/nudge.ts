// Ends TCP connections whose device only waits: it is sent an empty segment that fits nowhere, as if from its server. It
// answers with an acknowledgement (RFC 9293, 3.10.7.4), and the table refuses that one with a reset that it has to believe.
import ipaddr from "ipaddr.js";
import type { Native } from "../../../core/native/ffi.ts";
import { runCommand } from "@otb/plugin";
import type { Ended } from "./kernel.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const TCP = 6, ACK = 0x10;
/** So many at once; devices of a home have fewer. */
const MAX_NUDGED = 4_096;
/** Said twice: once may be lost, and a device answers such segments only every 500 ms. */
const AGAIN_MS = 1_000;

/** A frame with an empty TCP segment from a server to a device. Pure. */
export function nudgeFrame(
  { source: device, target: server, sourcePort, targetPort }: Ended,
  macs: { device: string; box: string },
  sequence: number,
): Bytes {
  const six = device.includes(":");
  const ip = 14, tcp = ip + (six ? 40 : 20);
  const frame = new Uint8Array(tcp + 20), view = new DataView(frame.buffer);
  frame.set([...macBytes(macs.device), ...macBytes(macs.box)]);
  view.setUint16(12, six ? 0x86dd : 0x0800);
  const addresses = [...ipaddr.parse(server).toByteArray(), ...ipaddr.parse(device).toByteArray()];
  if (six) {
    view.setUint32(ip, 0x60000000);
    view.setUint16(ip + 4, 20);
    frame.set([TCP, 64, ...addresses], ip + 6);
  } else {
    frame.set([0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, TCP, 0, 0, ...addresses], ip);
    view.setUint16(ip + 10, checksum(frame.subarray(ip, tcp), 0));
  }
  view.setUint16(tcp, targetPort);
  view.setUint16(tcp + 2, sourcePort);
  view.setUint32(tcp + 4, sequence);
  view.setUint16(tcp + 12, 0x5000 | ACK);
  const pseudo = frame.subarray(tcp - addresses.length);
  view.setUint16(tcp + 16, checksum(pseudo, TCP + 20));
  return frame;
}

/** A BPF program that lets no frame in (packet(7), bpf(2) classic: BPF_RET | BPF_K). */
const RETURN_NOTHING = [6, 0, 0, 0] as const;

/** Nudges devices on one interface. */
export class Nudger {
  constructor(private readonly native: Native) {}

  /** Has each of these connections end; what cannot be reached is left to its own timers. */
  async nudge(device: string, ended: Ended[], signal: AbortSignal): Promise<void> {
    if (ended.length === 0) return;
    const own = await ownLink(device);
    if (!own) return;
    const { address: box, ifindex } = own;
    // Only to send: it receives nothing.
    const fd = this.native.packetOpen(ifindex, { filter: [RETURN_NOTHING] });
    try {
      for (const pause of [0, AGAIN_MS]) {
        await new Promise((resolve) => setTimeout(resolve, pause));
        if (signal.aborted) return;
        const neighbours = await neighboursOn(device);
        for (const connection of ended.slice(0, MAX_NUDGED)) {
          const mac = neighbours.get(connection.source);
          if (!mac) continue;
          const sequence = crypto.getRandomValues(new Uint32Array(1))[0]!;
          const frame = nudgeFrame(connection, { device: mac, box }, sequence);
          this.native.write(fd, frame, 0, frame.length);
        }
      }
    } finally {
      this.native.close(fd);
    }
  }
}

/** MAC addresses by IP address, as the kernel knows the neighbours. */
async function neighboursOn(device: string): Promise<Map<string, string>> {
  const found = JSON.parse(await ip(["-j", "neighbour", "show", "dev", device]));
  return new Map(
    found.flatMap(({ dst, lladdr }: { dst: string; lladdr?: string }) => lladdr ? [[dst, lladdr]] : []),
  );
}

async function ownLink(device: string): Promise<{ address: string; ifindex: number } | undefined> {
  const [found] = JSON.parse(await ip(["-j", "link", "show", "dev", device]));
  return found;
}

async function ip(args: string[]): Promise<string> {
  const { success, stdout } = await runCommand("ip", {
    args,
    stderr: "null",
    env: { LC_ALL: "C" },
  });
  return success ? stdout || "[]" : "[]";
}

function macBytes(mac: string): number[] {
  return mac.split(":").map((part) => parseInt(part, 16));
}

/** The Internet checksum (RFC 1071) of an even number of bytes and `start`. */
function checksum(bytes: Uint8Array, start: number): number {
  let sum = start;
  for (let at = 0; at < bytes.length; at += 2) sum += bytes[at]! << 8 | bytes[at + 1]!;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

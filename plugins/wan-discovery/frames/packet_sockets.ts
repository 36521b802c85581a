// One packet socket per interface and the loop that reads them: frames in, frames out, never blocking.
import { type BpfInstruction, type Native, type Poll, PollEvents } from "../../../core/native/ffi.ts";
import type { Bytes } from "./addresses.ts";

/** Frames read in one go; a flood beyond them waits, and then falls, in the kernel's queue. */
const BATCH = 64;
/** Pause after a whole batch, so that a flood leaves the rest of the process its time. */
const PAUSE_MS = 20;
const WAIT_MS = 1_000;
/** Longer than any frame that matters: DHCP and advertisements fit into one Ethernet frame. */
const FRAME_BYTES = 2048;

const LOAD_BYTE = 0x30, LOAD_HALF = 0x28, LOAD_WORD = 0x20, LOAD_HALF_X = 0x48, IP_HEADER_X = 0xb1;
const EQUAL = 0x15, ANY_BIT = 0x45, RETURN = 0x06;
/** SKF_AD_OFF + SKF_AD_VLAN_TAG_PRESENT (linux/filter.h). */
const VLAN_TAG_PRESENT = 0xfffff000 + 48;

/** Lets through ARP, UDP to port 68 that is no later fragment, router advertisements and PPPoE discovery; no other VLAN's. */
export const FILTER: readonly BpfInstruction[] = assemble([
  ["", LOAD_WORD, VLAN_TAG_PRESENT],
  ["", EQUAL, 0, "type", "drop"],
  ["type", LOAD_HALF, 12],
  ["", EQUAL, 0x0806, "accept", "ipv4?"],
  ["ipv4?", EQUAL, 0x0800, "ipv4", "ipv6?"],
  ["ipv6?", EQUAL, 0x86dd, "ipv6", "pppoe?"],
  ["pppoe?", EQUAL, 0x8863, "accept", "drop"],
  ["ipv4", LOAD_BYTE, 23],
  ["", EQUAL, 17, "fragment?", "drop"],
  ["fragment?", LOAD_HALF, 20],
  ["", ANY_BIT, 0x1fff, "drop", "port"],
  ["port", IP_HEADER_X, 14],
  ["", LOAD_HALF_X, 16],
  ["", EQUAL, 68, "accept", "drop"],
  ["ipv6", LOAD_BYTE, 20],
  ["", EQUAL, 58, "icmp", "drop"],
  ["icmp", LOAD_BYTE, 54],
  ["", EQUAL, 134, "accept", "drop"],
  ["accept", RETURN, FRAME_BYTES],
  ["drop", RETURN, 0],
]);

type Line = [label: string, code: number, k: number, yes?: string, no?: string];

/** Turns labels into the distances that jumps have. */
function assemble(lines: Line[]): BpfInstruction[] {
  const jump = (label: string | undefined, from: number) =>
    label === undefined ? 0 : lines.findIndex(([name]) => name === label) - from - 1;
  return lines.map(([, code, k, yes, no], at) => [code, jump(yes, at), jump(no, at), k]);
}

/** An interface that is listened to. */
interface Ear {
  name: string;
  index: number;
  fd: number;
}

/** All packet sockets; `onFrame` is called for every frame that the filter lets through. */
export class PacketSockets {
  readonly #poll: Poll;
  readonly #events = new Uint32Array(2 * 32);
  readonly #buffer = new Uint8Array(FRAME_BYTES);
  #ears = new Map<string, Ear>();
  #closed = false;
  #loop: Promise<void>;

  constructor(
    private readonly native: Native,
    private readonly onFrame: (device: string, frame: Bytes) => void,
    private readonly onTrouble: (device: string, reason: string) => void,
  ) {
    this.#poll = native.poll();
    this.#loop = this.#run();
  }

  /** Listens on exactly these interfaces, by name and kernel index; one made anew under its old name is opened again. */
  follow(devices: ReadonlyMap<string, number>): void {
    for (const { name, index } of [...this.#ears.values()]) {
      if (devices.get(name) !== index) this.#close(name);
    }
    for (const [name, index] of devices) {
      if (this.#ears.has(name)) continue;
      try {
        const fd = this.native.packetOpen(index, { filter: FILTER, promiscuous: true });
        this.#ears.set(name, { name, index, fd });
        this.#poll.add(fd, PollEvents.in, index);
      } catch (error) {
        // It was pulled out meanwhile, or is not Ethernet: the next look at the interfaces says so.
        this.onTrouble(name, String(error));
      }
    }
  }

  /** Sends a frame; one that the interface does not take now is lost, as on any wire. */
  send(device: string, frame: Bytes): void {
    const ear = this.#ears.get(device);
    if (ear) this.native.write(ear.fd, frame, 0, frame.length);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#poll.wake();
    await this.#loop;
    for (const name of [...this.#ears.keys()]) this.#close(name);
    this.#poll.close();
  }

  #close(name: string): void {
    const ear = this.#ears.get(name)!;
    this.#ears.delete(name);
    this.#poll.remove(ear.fd);
    this.native.close(ear.fd);
  }

  async #run(): Promise<void> {
    while (!this.#closed) {
      const count = await this.#poll.waitAsync(this.#events, WAIT_MS);
      let full = false;
      for (let index = 0; index < count && !this.#closed; index++) {
        const tag = this.#events[2 * index];
        const ear = [...this.#ears.values()].find((candidate) => candidate.index === tag);
        if (ear) full = this.#read(ear) || full;
      }
      if (full) await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }

  /** Reads what waits, up to a batch; says whether there may be more. */
  #read(ear: Ear): boolean {
    for (let count = 0; count < BATCH; count++) {
      const length = this.native.read(ear.fd, this.#buffer, 0, FRAME_BYTES);
      // Negative: nothing waits, or the interface went down, which is told once.
      if (length < 0) return false;
      try {
        // A copy: what is made of it may outlive the next read.
        this.onFrame(ear.name, this.#buffer.slice(0, length));
      } catch (error) {
        this.onTrouble(ear.name, String(error));
      }
      if (this.#ears.get(ear.name) !== ear) return false;
    }
    return true;
  }
}

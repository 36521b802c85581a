// What tests need of the C library and otb itself does not: one clock for all processes, marks on what is sent, raw sockets,
// whole reads and writes of a TUN device, other namespaces.
import { encodeAddress } from "../../core/native/ffi.ts";

const { symbols } = Deno.dlopen("libc.so.6", {
  clock_gettime: { parameters: ["i32", "buffer"], result: "i32" },
  setsockopt: { parameters: ["i32", "i32", "i32", "buffer", "u32"], result: "i32" },
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  open: { parameters: ["buffer", "i32"], result: "i32" },
  setns: { parameters: ["i32", "i32"], result: "i32" },
  read: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  write: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  close: { parameters: ["i32"], result: "i32" },
  sendto: { parameters: ["i32", "buffer", "usize", "i32", "buffer", "u32"], result: "isize" },
  recv: { parameters: ["i32", "buffer", "usize", "i32"], result: "isize" },
});

const time = new BigInt64Array(2);

/** Microseconds of CLOCK_MONOTONIC, which every process of this machine reads alike (clock_gettime(2)). */
export function monotonicUs(): number {
  symbols.clock_gettime(1, time);
  return Number(time[0]) * 1e6 + Number(time[1]) / 1e3;
}

function setOption(fd: number, level: number, name: number, value: number): void {
  if (symbols.setsockopt(fd, level, name, Int32Array.of(value), 4) !== 0) {
    throw new Error(`cannot set option ${name} of level ${level} to ${value}`);
  }
}

/** Room for what waits to be read, bytes, beyond what the system allows by itself: a stall of the reader is no loss. */
export function setReceiveBuffer(fd: number, bytes: number): void {
  setOption(fd, 1, 33, bytes); // SO_RCVBUFFORCE
}

/** This process's UDP sockets (proc_pid_fd(5), proc_pid_net(5)), for what opens one and hides its descriptor. */
export function udpSockets(): number[] {
  const inodes = new Set(
    ["udp", "udp6"].flatMap((table) =>
      Deno.readTextFileSync(`/proc/self/net/${table}`).trim().split("\n").slice(1)
        .map((line) => line.trim().split(/\s+/)[9])
    ),
  );
  return [...Deno.readDirSync("/proc/self/fd")].map(({ name }) => Number(name)).filter((fd) => {
    try {
      return inodes.has(/^socket:\[(\d+)\]$/.exec(Deno.readLinkSync(`/proc/self/fd/${fd}`))?.[1]);
    } catch {
      return false; // the one that lists them
    }
  });
}

/** The TOS or traffic class byte of what a socket sends (ip(7), ipv6(7)); an IPv6 socket that carries IPv4 has both. */
export function setTos(fd: number, tos: number, ipv6: boolean): void {
  setOption(fd, 0, 1, tos);
  if (ipv6) setOption(fd, 41, 67, tos);
}

/**
 * A raw socket of one IPv4 protocol (raw(7)): sends payloads after a header of the kernel's, hears whole packets with their
 * header, reassembled, that came to this machine. Needs CAP_NET_RAW.
 */
export class RawSocket {
  readonly fd: number;
  #buffer = new Uint8Array(65_536);

  constructor(readonly protocol: number) {
    this.fd = symbols.socket(2, 3, protocol);
    if (this.fd < 0) throw new Error(`cannot open a raw socket of protocol ${protocol}`);
  }

  /** Sends one packet; false when the kernel refuses it. */
  send(to: string, payload: Uint8Array<ArrayBuffer>): boolean {
    const [a, b, c, d] = encodeAddress({ host: to, port: 0 }).subarray(4, 8);
    const address = Uint8Array.of(2, 0, 0, 0, a!, b!, c!, d!, 0, 0, 0, 0, 0, 0, 0, 0);
    return symbols.sendto(this.fd, payload, BigInt(payload.length), 0, address, 16) ===
      BigInt(payload.length);
  }

  /** The next packet from its IPv4 header on, valid until the next call; undefined when none waits. */
  receive(): Uint8Array<ArrayBuffer> | undefined {
    const length = Number(symbols.recv(this.fd, this.#buffer, BigInt(this.#buffer.length), 0x40)); // MSG_DONTWAIT
    return length < 20 ? undefined : this.#buffer.subarray(0, length);
  }

  close(): void {
    symbols.close(this.fd);
  }
}

/** One read(2); negative when it fails. */
export function readWhole(fd: number, buffer: Uint8Array<ArrayBuffer>): number {
  return Number(symbols.read(fd, buffer, BigInt(buffer.length)));
}

/** One write(2) of the first `length` bytes; negative when it fails. */
export function writeWhole(fd: number, buffer: Uint8Array<ArrayBuffer>, length: number): number {
  return Number(symbols.write(fd, buffer, BigInt(length)));
}

/** Runs a synchronous body in a network namespace by name (setns(2)); only this thread moves, and it comes back. */
export function insideNamespace<T>(name: string, body: () => T): T {
  const open = (path: string) => {
    const fd = symbols.open(new TextEncoder().encode(`${path}\0`), 0x8_0000); // O_RDONLY | O_CLOEXEC
    if (fd < 0) throw new Error(`cannot open ${path}`);
    return fd;
  };
  const enter = (fd: number) => {
    if (symbols.setns(fd, 0x4000_0000) !== 0) throw new Error(`cannot enter ${name}`); // CLONE_NEWNET
  };
  const home = open("/proc/thread-self/ns/net"), there = open(`/run/netns/${name}`);
  try {
    enter(there);
    return body();
  } finally {
    enter(home);
    symbols.close(home);
    symbols.close(there);
  }
}

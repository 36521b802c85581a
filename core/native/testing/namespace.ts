// For tests only: network namespaces that this very process enters for the length of one synchronous call. A socket
// stays in the namespace it was made in, so one test can hold both ends of a path.
import { openNative, PollEvents } from "../ffi.ts";
import type { Poll } from "../ffi.ts";

const CLONE_NEWNET = 0x4000_0000;

const libc = Deno.dlopen("libc.so.6", {
  setns: { parameters: ["i32", "i32"], result: "i32" },
  open: { parameters: ["buffer", "i32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
}).symbols;

function open(path: string): number {
  const fd = libc.open(new TextEncoder().encode(`${path}\0`), 0x8_0000); // O_RDONLY | O_CLOEXEC
  if (fd < 0) throw new Error(`cannot open ${path}`);
  return fd;
}

function run(program: string, args: string[], input?: string): string {
  const file = input === undefined ? undefined : Deno.makeTempFileSync({ prefix: "otb" });
  try {
    if (file) Deno.writeTextFileSync(file, input!);
    const all = file ? [...args, file] : args;
    const { success, stdout, stderr } = new Deno.Command(program, { args: all }).outputSync();
    if (!success) throw new Error(`${program} ${all.join(" ")}: ${new TextDecoder().decode(stderr)}`);
    return new TextDecoder().decode(stdout);
  } finally {
    if (file) Deno.removeSync(file);
  }
}

/** A network namespace with a name of its own, loopback up; gone with `using`. Needs root. */
export class Namespace {
  readonly name = `otb${crypto.randomUUID().slice(0, 8)}`;
  #fd: number;

  constructor() {
    run("ip", ["netns", "add", this.name]);
    this.#fd = open(`/var/run/netns/${this.name}`);
    this.ip("link set lo up");
  }

  /** Runs `ip` with these words inside. */
  ip(words: string): string {
    return run("ip", ["-n", this.name, ...words.split(" ")]);
  }

  /** What a program of iproute2 or nftables says in it. */
  ask(program: string, ...args: string[]): string {
    return run("ip", ["netns", "exec", this.name, program, ...args]);
  }

  /** Loads an nft ruleset inside, or answers what it lists. */
  nft(ruleset: string): string {
    return run("ip", ["netns", "exec", this.name, "nft", "-f"], ruleset);
  }

  /** Sets `net.<key>` inside. */
  sysctl(key: string, value: string): void {
    run("ip", ["netns", "exec", this.name, "sysctl", "-qw", `net.${key}=${value}`]);
  }

  /** Runs a synchronous body inside; only this thread moves, and it comes back. */
  inside<T>(body: () => T): T {
    const home = open("/proc/thread-self/ns/net");
    try {
      if (libc.setns(this.#fd, CLONE_NEWNET) !== 0) throw new Error(`cannot enter ${this.name}`);
      return body();
    } finally {
      libc.setns(home, CLONE_NEWNET);
      libc.close(home);
    }
  }

  /** Runs an asynchronous body inside; whatever else this thread does meanwhile is done inside too. */
  async during<T>(body: () => Promise<T>): Promise<T> {
    const home = open("/proc/thread-self/ns/net");
    try {
      if (libc.setns(this.#fd, CLONE_NEWNET) !== 0) throw new Error(`cannot enter ${this.name}`);
      return await body();
    } finally {
      libc.setns(home, CLONE_NEWNET);
      libc.close(home);
    }
  }

  /** Joins two namespaces with a veth pair; `own` and `other` are addresses in CIDR. */
  link(other: Namespace, device: string, own: string, others: string): void {
    this.ip(`link add ${device} type veth peer name ${device} netns ${other.name}`);
    for (const [space, address] of [[this, own], [other, others]] as const) {
      space.ip(`addr add ${address} dev ${device}`);
      space.ip(`link set ${device} up`);
    }
  }

  [Symbol.dispose](): void {
    libc.close(this.#fd);
    run("ip", ["netns", "del", this.name]);
  }
}

/** Waits until the descriptor is ready, and fails after five seconds. */
export function ready(fd: number, event: "in" | "out"): void {
  const poll: Poll = openNative().poll();
  try {
    poll.set(fd, PollEvents[event], 1);
    if (poll.wait(new Uint32Array(2), 5000) < 1) throw new Error(`descriptor is not ready for ${event}`);
  } finally {
    poll.close();
  }
}

/** Calls until the answer is truthy, and fails after five seconds. */
export async function until<T>(ask: () => T | undefined | false): Promise<T> {
  for (let round = 0; round < 250; round++) {
    const answer = ask();
    if (answer) return answer;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error("it did not happen within five seconds");
}

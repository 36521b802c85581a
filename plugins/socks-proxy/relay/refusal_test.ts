// What a device meets whose target refuses: a box with its table and a peer in one namespace, a device and the Internet in others.
import { strict as assert } from "node:assert";
import { Errno, openNative } from "../../../core/native/ffi.ts";
import { Namespace } from "../../../core/native/testing/namespace.ts";
import { Devices } from "../box/devices.ts";
import { interception, Interceptor } from "../box/intercept.ts";
import type { Sniffer } from "../box/sniffer.ts";
import { Pair, until } from "../testing/ends.ts";

const LAN = { interface: "lan0", address: "192.168.100.1/24" };
const ONE = "192.168.100.10", OTHER = "192.168.100.11";
const SERVER = "203.0.113.10", SIBLING = "203.0.113.11", SILENT = "203.0.113.12";
const NAMES: { [host: string]: string[] } = {
  "two.example": [SERVER, SIBLING],
  "slow.example": [SILENT, SIBLING],
  "else.example": [SIBLING],
};

/** All of it, with one transport. */
class Bench implements AsyncDisposable {
  readonly native = openNative();
  readonly device = new Namespace();
  readonly box = new Namespace();
  readonly far = new Namespace();
  readonly pair: Pair;
  readonly #interceptors: Interceptor[];
  readonly #open: number[] = [];

  constructor(private readonly options: { mptcp?: boolean; striped?: number }) {
    const { device, box, far } = this;
    box.link(device, "lan0", LAN.address, `${ONE}/24`);
    box.link(far, "wan0", "198.51.100.1/24", "198.51.100.2/24");
    device.ip(`address add ${OTHER}/24 dev lan0`);
    device.ip("route add default via 192.168.100.1");
    box.ip("route add default via 198.51.100.2");
    for (const address of [SERVER, SIBLING]) far.ip(`address add ${address}/32 dev lo`);
    far.nft(
      `table ip silence { chain in { type filter hook prerouting priority 0; ip daddr ${SILENT} drop; }; }`,
    );
    box.ip("rule add priority 157 fwmark 0x10000/0x10000 lookup 1157");
    box.ip("route add local default dev lo table 1157");
    box.sysctl("ipv4.ip_early_demux", "0");
    for (const name of ["all", "lan0", "wan0"]) box.sysctl(`ipv4.conf.${name}.rp_filter`, "0");
    this.pair = box.inside(() =>
      new Pair({
        ...options,
        allow: ["127.0.0.0/8", "203.0.113.0/24"],
        lookup: (host) => Promise.resolve(NAMES[host] ?? []),
      })
    );
    const { native, reactor, outbound } = this.pair;
    const sniffer = { take: ({ plain, target }) => outbound.open(plain, target) } as Pick<Sniffer, "take">;
    const devices = new Devices({
      total: () => 100,
      perDevice: () => 100,
      macOf: () => undefined,
      nowMs: () => performance.now(),
    });
    this.#interceptors = [box.inside(() => new Interceptor(native, reactor, sniffer as Sniffer, devices, 4))];
    for (
      const claim of interception(
        { role: "box", lan: LAN, peers: [] },
        [],
        [],
        4,
        this.#interceptors[0]!.port,
      )
    ) {
      if (claim.kind === "nftTable") box.nft(`table ${claim.family} ${claim.name} {\n${claim.body}\n}`);
    }
  }

  /** Runs with everything that the box does inside its namespace. */
  async during(body: () => Promise<void>): Promise<void> {
    await this.box.during(async () => {
      await this.pair.ready();
      await body();
    });
  }

  /** A server on the Internet; its answer to every connection is its address. */
  serve(host: string, port: number): number {
    const { fd } = this.far.inside(() => this.native.listen({ host, port }));
    this.#open.push(fd);
    return fd;
  }

  async accept(listener: number): Promise<number> {
    let fd = -1;
    await until(() => (fd = this.native.accept(listener, new Uint8Array(20), null)) >= 0);
    this.#open.push(fd);
    return fd;
  }

  /** What a device's next connection meets: refused at once, or a connection. */
  async connect(host: string, port: number, source = ONE): Promise<number | "refused"> {
    const { native } = this;
    const { fd } = this.device.inside(() =>
      native.connect({ host, port }, { source: { host: source, port: 0 } })
    );
    this.#open.push(fd);
    let result = 0;
    // Not connected yet is no peer's address yet.
    await until(() =>
      (result = native.connectResult(fd)) < 0 || native.remoteAddress(fd, new Uint8Array(20)) === 0
    );
    return result === -Errno.ECONNREFUSED ? "refused" : fd;
  }

  say(fd: number, text: string): void {
    const bytes = new TextEncoder().encode(text);
    assert.equal(this.native.write(fd, bytes, 0, bytes.length), bytes.length);
  }

  /** Bytes that come next, or how it ended. */
  async hear(fd: number): Promise<string> {
    const bytes = new Uint8Array(1_000);
    let length = -Errno.EAGAIN as number;
    await until(() => (length = this.native.read(fd, bytes, 0, bytes.length)) !== -Errno.EAGAIN);
    return length > 0 ? new TextDecoder().decode(bytes.subarray(0, length)) : length === 0 ? "end" : "reset";
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const interceptor of this.#interceptors) interceptor.close();
    for (const fd of this.#open) this.native.close(fd);
    await this.pair[Symbol.asyncDispose]();
    for (const space of [this.device, this.box, this.far]) space[Symbol.dispose]();
  }
}

for (const [name, options] of [["Multipath TCP", { mptcp: true }], ["striped", { striped: 2 }]] as const) {
  Deno.test({
    name:
      `${name}: a target that refused a device is refused it at the SYN for a while, and nobody and nothing else is`,
    ignore: Deno.uid() !== 0,
    async fn() {
      await using bench = new Bench(options);
      await bench.during(async () => {
        const { connect, hear } = { connect: bench.connect.bind(bench), hear: bench.hear.bind(bench) };
        const first = await connect(SERVER, 25);
        assert.notEqual(first, "refused");
        assert.equal(await hear(first as number), "reset");
        assert.equal(await connect(SERVER, 25), "refused");
        // Another device, port or address of the name may be served.
        const other = await connect(SERVER, 25, OTHER);
        assert.notEqual(other, "refused");
        assert.equal(await hear(other as number), "reset");
        for (const [host, port] of [[SERVER, 80], [SIBLING, 25]] as const) {
          const listener = bench.serve(host, port);
          const fd = await connect(host, port) as number;
          bench.say(fd, "hello");
          const end = await bench.accept(listener);
          assert.equal(await hear(end), "hello");
          // Who was reached and ended it did not refuse.
          bench.native.abort(end);
          assert.equal(await hear(fd), "reset");
          assert.notEqual(await connect(host, port), "refused");
        }
      });
    },
  });

  Deno.test({
    name:
      `${name}: where an address refuses or is silent, another of the name that a client says first is tried; a name that is not the target's changes nothing`,
    ignore: Deno.uid() !== 0,
    async fn() {
      await using bench = new Bench(options);
      await bench.during(async () => {
        const listener = bench.serve(SIBLING, 80);
        for (const [target, host] of [[SERVER, "two.example"], [SILENT, "slow.example"]] as const) {
          const fd = await bench.connect(target, 80) as number;
          bench.say(fd, `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
          const end = await bench.accept(listener);
          assert.match(await bench.hear(end), new RegExp(`Host: ${host}`));
          bench.say(end, "answer");
          assert.equal(await bench.hear(fd), "answer");
        }
        const fd = await bench.connect(SERVER, 80) as number;
        bench.say(fd, "GET / HTTP/1.1\r\nHost: else.example\r\n\r\n");
        assert.equal(await bench.hear(fd), "reset");
      });
    },
  });
}

// One device of a LAN takes all it gets, in a real kernel: it is refused what is too much, and nobody else feels it.
import { strict as assert } from "node:assert";
import { decodeAddress, Errno, openNative } from "../../../core/native/ffi.ts";
import { Namespace, until } from "../../../core/native/testing/namespace.ts";
import { Devices } from "./devices.ts";
import { flowLimits, refusedFlows } from "./flow_limits.ts";
import { interception, Interceptor } from "./intercept.ts";
import { Sniffer } from "./sniffer.ts";
import { echo, Pair } from "../testing/ends.ts";
import type { Outbound } from "./outbound.ts";

const LAN = { interface: "lan0", address: "192.168.100.1/24" };
const SERVER = { host: "203.0.113.10", port: 80 };
const MOST = 100, FLOWS = 300;
const ignore = Deno.uid() !== 0 || Deno.build.os !== "linux";

/** Two devices at a box that carries their TCP, whatever its target, to an echo. */
class House implements AsyncDisposable {
  readonly native = openNative();
  readonly box = new Namespace();
  readonly greedy = new Namespace();
  readonly modest = new Namespace();
  readonly far = new Namespace();
  readonly pair = new Pair();
  readonly echo = echo();
  readonly devices: Devices;
  readonly #interceptor: Interceptor;
  readonly #open: number[] = [];

  constructor() {
    const { native, box, greedy, modest, pair } = this;
    box.ip("link add lan0 type bridge");
    box.ip(`addr add ${LAN.address} dev lan0`);
    try {
      // Where br_netfilter is there it takes the proxy's socket from what comes over a bridge.
      box.sysctl("bridge.bridge-nf-call-iptables", "0");
    } catch {
      // It is not.
    }
    box.ip("link set lan0 up");
    for (const [index, device] of [greedy, modest].entries()) {
      box.link(device, `port${index}`, `169.254.${index}.1/30`, `192.168.100.${10 + index}/24`);
      box.ip(`link set port${index} master lan0`);
      device.ip("route add default via 192.168.100.1");
    }
    box.ip("rule add priority 157 fwmark 0x10000/0x10000 lookup 1157");
    box.ip("route add local default dev lo table 1157");
    // What stands for the Internet takes everything and says nothing.
    box.link(this.far, "out0", "10.158.0.1/24", "10.158.0.2/24");
    box.ip("route add default via 10.158.0.2");
    box.sysctl("ipv4.ip_forward", "1");
    for (const name of ["all", "lan0"]) box.sysctl(`ipv4.conf.${name}.rp_filter`, "0");
    const index = Number(/^(\d+):/.exec(box.ip("-o link show lan0"))![1]);
    this.devices = new Devices({
      total: () => 1_000,
      perDevice: () => MOST,
      macOf: (record) => box.inside(() => native.neighbour(record, index)),
      nowMs: () => performance.now(),
    });
    const counters = pair.carried;
    const outbound: Pick<Outbound, "open"> = {
      open: (plain) =>
        pair.outbound.open(plain, Uint8Array.of(1, 127, 0, 0, 1, this.echo.port >> 8, this.echo.port & 255)),
    };
    const { reactor } = pair;
    const sniffer = new Sniffer({
      ...{ native, reactor, outbound, counters },
      rules: () => [],
      deviceOf: () => undefined,
      onHit: () => {},
    });
    this.#interceptor = box.inside(() => new Interceptor(native, reactor, sniffer, this.devices, 4));
    const network = { role: "box" as const, lan: LAN, peers: [] };
    const claims = [
      ...interception(network, [], [], 4, this.#interceptor.port),
      ...flowLimits(LAN.interface, FLOWS),
    ];
    for (const claim of claims) {
      if (claim.kind === "nftTable") box.nft(`table ${claim.family} ${claim.name} {\n${claim.body}\n}`);
    }
  }

  /** Opens connections of a device all at once. */
  connect(device: Namespace, count: number): number[] {
    const fds = device.inside(() => Array.from({ length: count }, () => this.native.connect(SERVER).fd));
    this.#open.push(...fds);
    return fds;
  }

  /** Waits until a byte came back, or the connection was reset. */
  async fate(fd: number): Promise<"works" | "reset"> {
    const { native } = this;
    const byte = new Uint8Array(1);
    let result = 0;
    await until(() => (result = native.write(fd, byte, 0, 1)) !== -Errno.EAGAIN);
    if (result < 0) return "reset";
    await until(() => (result = native.read(fd, byte, 0, 1)) !== -Errno.EAGAIN);
    return result === 1 ? "works" : "reset";
  }

  /** Whose flows the box's kernel dropped lately. */
  refusedFlows(): Promise<string[]> {
    return refusedFlows((words) => Promise.resolve(this.box.ask("nft", ...words)));
  }

  /** Entries in the box's table of connections. */
  tracked(): number {
    return this.box.inside(() => Number(Deno.readTextFileSync("/proc/sys/net/netfilter/nf_conntrack_count")));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const fd of this.#open) this.native.abort(fd);
    this.#interceptor.close();
    await this.pair[Symbol.asyncDispose]();
    this.echo[Symbol.dispose]();
    for (const space of [this.box, this.greedy, this.modest, this.far]) space[Symbol.dispose]();
  }
}

Deno.test({
  name:
    "a device that opens too many connections is refused the excess at once, keeps what it has, and slows nobody",
  ignore,
  async fn() {
    await using house = new House();
    const { native } = house;
    const early = house.connect(house.greedy, 20);
    for (const fd of early) assert.equal(await house.fate(fd), "works");
    // More than the proxy gives, less than the kernel does, and not one word from any.
    const flood = house.connect(house.greedy, 200);
    await until(() => house.devices.open === MOST && house.devices.refused().length > 0);
    const mac = /link\/ether (\S+)/.exec(house.greedy.ip("link show port0"))![1];
    assert.deepEqual(house.devices.refused(), [mac]);
    const [other] = house.connect(house.modest, 1);
    const startedMs = performance.now();
    assert.equal(await house.fate(other!), "works");
    assert.ok(performance.now() - startedMs < 2_000, "another device waited");
    for (const fd of early) assert.equal(await house.fate(fd), "works");
    const fates: string[] = [];
    for (const fd of flood) fates.push(await house.fate(fd));
    assert.equal(fates.filter((fate) => fate === "works").length, MOST - early.length);
    // What ends makes room.
    for (const fd of early) native.shutdown(fd);
    await until(() => house.devices.open < MOST);
    assert.equal(await house.fate(house.connect(house.greedy, 1)[0]!), "works");
  },
});

Deno.test({
  name:
    "a device fills the kernel's table of connections neither by UDP, nor by TCP, nor by SYNs from made-up addresses",
  ignore,
  async fn() {
    await using house = new House();
    const { native, greedy, modest } = house;
    assert.deepEqual(await house.refusedFlows(), []);
    const [kept] = house.connect(greedy, 1);
    assert.equal(await house.fate(kept!), "works");
    const datagram = new Uint8Array(10);
    const many = greedy.inside(() =>
      Array.from({ length: 3 * FLOWS }, () => native.udpOpen({ host: "192.168.100.10", port: 0 }))
    );
    for (const fd of many) native.udpSend(fd, encode("203.0.113.9", 53), datagram, 0, 10, 0);
    for (const fd of many) native.close(fd);
    assert.deepEqual(await house.refusedFlows(), [
      /link\/ether (\S+)/.exec(greedy.ip("link show port0"))![1],
    ]);
    assert.ok(house.tracked() <= FLOWS + 5, `${house.tracked()} entries`);
    const index = Number(/^(\d+):/.exec(greedy.ip("-o link show port0"))![1]);
    const raw = greedy.inside(() => native.packetOpen(index, { filter: [[0x06, 0, 0, 0]] }));
    const boxMac = macOf(house.box.ip("link show lan0")), ownMac = macOf(greedy.ip("link show port0"));
    for (let count = 0; count < 10 * FLOWS; count++) native.write(raw, syn(boxMac, ownMac, count), 0, 54);
    native.close(raw);
    assert.ok(house.tracked() <= FLOWS + 5, `${house.tracked()} entries`);
    const [refused] = house.connect(greedy, 1);
    assert.equal(await house.fate(kept!), "works");
    const [other] = house.connect(modest, 1);
    assert.equal(await house.fate(other!), "works");
    assert.equal(native.write(refused!, datagram, 0, 1), -Errno.EAGAIN, "it has opened one more");
    const asked = modest.inside(() => native.udpOpen({ host: "192.168.100.11", port: 0 }));
    const before = house.tracked();
    native.udpSend(asked, encode("203.0.113.9", 53), datagram, 0, 10, 0);
    native.close(asked);
    assert.equal(house.tracked(), before + 1, "another device's datagram must pass");
  },
});

function encode(host: string, port: number): Uint8Array<ArrayBuffer> {
  const record = new Uint8Array(20);
  const view = new DataView(record.buffer);
  view.setUint16(0, 2, true);
  view.setUint16(2, port, true);
  record.set(host.split(".").map(Number), 4);
  assert.equal(decodeAddress(record).host, host);
  return record;
}

function macOf(shown: string): number[] {
  return /link\/ether (\S+)/.exec(shown)![1]!.split(":").map((byte) => parseInt(byte, 16));
}

/** A whole frame: a SYN to the server from an address that nobody has. */
function syn(to: number[], from: number[], count: number): Uint8Array<ArrayBuffer> {
  const frame = new Uint8Array(54);
  const view = new DataView(frame.buffer);
  frame.set([...to, ...from, 8, 0, 0x45, 0]);
  view.setUint16(16, 40);
  view.setUint16(22, 64 << 8 | 6);
  frame.set([192, 168, 100, 20 + count % 200], 26);
  frame.set(SERVER.host.split(".").map(Number), 30);
  view.setUint16(34, 1024 + Math.floor(count / 200));
  view.setUint16(36, SERVER.port);
  view.setUint32(38, count);
  view.setUint16(46, 5 << 12 | 2);
  view.setUint16(48, 65_535);
  const sum = (from: number, length: number, start: number) => {
    let total = start;
    for (let at = from; at < from + length; at += 2) total += view.getUint16(at);
    while (total > 0xffff) total = (total & 0xffff) + (total >> 16);
    return ~total & 0xffff;
  };
  view.setUint16(24, sum(14, 20, 0));
  view.setUint16(50, sum(26, 28, 6 + 20));
  return frame;
}

// What a packet of 1400 bytes costs on each step of the tunnel's path: `deno run -A core/native/tunnel_bench.ts`, as root.
// Each figure is processor time of the native calls alone, so that others on the machine count less; between them
// TypeScript only passes on what it was given.
import {
  ADDRESS_BYTES,
  decodeAddress,
  encodeAddress,
  MAX_PACKETS,
  openNative,
  RECORD_WORDS,
  TunnelRecord,
} from "./ffi.ts";
import { Namespace } from "./testing/namespace.ts";

const native = openNative();
const libc = Deno.dlopen("libc.so.6", {
  clock_gettime: { parameters: ["i32", "buffer"], result: "i32" },
}).symbols;
const time = new BigInt64Array(2);

/** Nanoseconds that this thread has run (CLOCK_THREAD_CPUTIME_ID). */
function cpuNanoseconds(): number {
  libc.clock_gettime(3, time);
  return Number(time[0]) * 1e9 + Number(time[1]);
}

const STRIDE = 2048, HEADROOM = 64;

/** Nanoseconds and packets of one kind of call. */
class Meter {
  #nanoseconds = 0;
  packets = 0;
  calls = 0;

  measure(call: () => number): number {
    const start = cpuNanoseconds();
    const count = call();
    if (count > 0) {
      this.#nanoseconds += cpuNanoseconds() - start;
      this.packets += count;
      this.calls++;
    }
    return count;
  }

  show(name: string): void {
    const each = this.#nanoseconds / this.packets;
    console.log(
      `${name.padEnd(24)} ${each.toFixed(0).padStart(5)} ns a packet, ${
        (this.packets / this.calls).toFixed(1)
      } packets a call`,
    );
  }
}

function keys() {
  const own = native.noiseKeyPair(), other = native.noiseKeyPair();
  const common = { psk: new Uint8Array(32), prologue: new Uint8Array(0) };
  const { publicKey: remotePublicKey, privateKey } = other;
  const one = native.noise({ initiator: true, privateKey: own.privateKey, remotePublicKey, ...common });
  const two = native.noise({ initiator: false, privateKey, ...common });
  const message = new Uint8Array(200), empty = new Uint8Array(0), out = new Uint8Array(200);
  two.read(message.subarray(0, one.write(empty, message)), out);
  one.read(message.subarray(0, two.write(empty, message)), out);
  return { near: one.split(1, 2), far: two.split(2, 1) };
}

/** Seal, send, receive and open over loopback. */
function wire(seconds: number): void {
  const { near, far } = keys();
  const receiver = native.tunnelReceiver();
  receiver.add(2, far, 0);
  const out = native.udpOpen({ host: "127.0.0.1", port: 0 }, { bufferBytes: 8_000_000 });
  const into = native.udpOpen({ host: "127.0.0.1", port: 0 }, {
    gro: true,
    marks: true,
    bufferBytes: 8_000_000,
  });
  const to = new Uint8Array(ADDRESS_BYTES);
  native.localAddress(into, to);
  const slots = 1024, batch = 88;
  const arena = native.random(new Uint8Array(slots * STRIDE)),
    records = new Uint32Array(slots * RECORD_WORDS);
  const free = Int32Array.from({ length: slots }, (_, index) => index);
  const items = Uint32Array.from(
    { length: 2 * batch },
    (_, index) => index % 2 ? 1400 : (index / 2) * STRIDE + HEADROOM,
  );
  const send = new Meter(), receive = new Meter();
  for (const end = performance.now() + seconds * 1000; performance.now() < end;) {
    send.measure(() => near.send(out, to, 0, 0, arena, items, batch));
    while (receive.measure(() => receiver.receive(into, arena, STRIDE, HEADROOM, free, slots, records)) > 0);
  }
  send.show("seal and send");
  receive.show("receive and open");
  for (const held of [near, far, receiver]) held.free();
  for (const fd of [out, into]) native.close(fd);
}

/** TCP through two TUN devices; `seal` with seal, UDP and open between them. */
function tunnel(seconds: number, seal: boolean): void {
  using left = new Namespace();
  using right = new Namespace();
  const tuns = [left, right].map((space, index) => {
    const tun = space.inside(() => native.tun("otbtun", { mtu: 1400, offload: true }));
    space.ip(`addr add 10.8.0.${index + 1}/24 dev otbtun`);
    space.ip("link set otbtun up");
    return tun;
  });
  const pair = keys(), ends = [pair.near, pair.far], addresses = [2, 1];
  const receivers = ends.map((end, index) => {
    const receiver = native.tunnelReceiver();
    receiver.add(end.localIndex, end, addresses[index]!);
    return receiver;
  });
  const sockets = ends.map(() =>
    native.udpOpen({ host: "127.0.0.1", port: 0 }, { gro: true, marks: true, bufferBytes: 8_000_000 })
  );
  const remotes = sockets.map((fd) => {
    const record = new Uint8Array(ADDRESS_BYTES);
    native.localAddress(fd, record);
    return encodeAddress(decodeAddress(record));
  });
  const listener = right.inside(() => native.listen({ host: "10.8.0.2", port: 7 }));
  const near = left.inside(() => native.connect({ host: "10.8.0.2", port: 7 }));
  const slots = 1024;
  const arena = new Uint8Array(slots * STRIDE), sizes = new Uint32Array(MAX_PACKETS);
  const records = new Uint32Array(slots * RECORD_WORDS), items = new Uint32Array(2 * slots);
  const free = Int32Array.from({ length: slots }, (_, index) => index);
  const meters = { tunReceive: new Meter(), send: new Meter(), receive: new Meter(), tunSend: new Meter() };
  const bulk = new Uint8Array(1 << 18),
    sink = new Uint8Array(1 << 18),
    record = new Uint8Array(ADDRESS_BYTES);

  const give = (to: number, count: number) => {
    for (let start = 0; start < count; start += MAX_PACKETS) {
      const some = Math.min(MAX_PACKETS, count - start);
      const spans = items.subarray(2 * start, 2 * (start + some));
      meters.tunSend.measure(() => tuns[to]!.send(arena, spans, some) > 0 ? some : 0);
    }
  };
  const forward = (from: number) => {
    const to = 1 - from;
    for (let batch = 0; batch < 2; batch++) {
      const count = meters.tunReceive.measure(() => tuns[from]!.receive(arena, STRIDE, HEADROOM, sizes));
      if (count <= 0) break;
      for (let index = 0; index < count; index++) {
        items[2 * index] = index * STRIDE + HEADROOM;
        items[2 * index + 1] = sizes[index]!;
      }
      if (!seal) give(to, count);
      else {meters.send.measure(() =>
          ends[from]!.send(sockets[from]!, remotes[to]!, 0, 0, arena, items, count)
        );}
    }
    if (!seal) return;
    const count = meters.receive.measure(() =>
      receivers[to]!.receive(sockets[to]!, arena, STRIDE, HEADROOM, free, slots, records)
    );
    for (let index = 0; index < count; index++) {
      items[2 * index] = records[index * RECORD_WORDS + TunnelRecord.slot]! * STRIDE + HEADROOM;
      items[2 * index + 1] = records[index * RECORD_WORDS + TunnelRecord.length]!;
    }
    if (count > 0) give(to, count);
  };
  let far = -1, read = 0;
  const start = cpuNanoseconds();
  for (const end = start + seconds * 1e9; cpuNanoseconds() < end;) {
    if (far < 0) far = native.accept(listener.fd, record, record);
    else {
      for (let some = 0; some < 4 && native.write(near.fd, bulk, 0, bulk.length) > 0; some++);
      for (let got; (got = native.read(far, sink, 0, sink.length)) > 0;) read += got;
    }
    forward(0);
    forward(1);
  }
  const elapsed = (cpuNanoseconds() - start) / 1e9;
  console.log(
    `${seal ? "whole path" : "TUN only"}: ${
      (read * 8 / elapsed / 1e9).toFixed(2)
    } Gbit in one second of one processor, both ends and TCP included`,
  );
  meters.tunReceive.show("  TUN receive");
  if (seal) meters.send.show("  seal and send");
  if (seal) meters.receive.show("  receive and open");
  meters.tunSend.show("  TUN send");
  for (const fd of [listener.fd, near.fd, far, ...sockets]) native.close(fd);
  for (const tun of tuns) tun.close();
  for (const held of [...ends, ...receivers]) held.free();
}

const seconds = Number(Deno.args[0] ?? 3);
wire(seconds);
tunnel(seconds, false);
tunnel(seconds, true);

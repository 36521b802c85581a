// What a tunnel is measured against: the same TUN devices and sockets, and none of a tunnel's work.
//
//   forward SPACE DEVICE SPACE DEVICE      two TUN devices in two namespaces; what one gives is written to the other as it is
//   datagrams DEVICE OWN REMOTE PORT       a TUN device to UDP and back, packet by packet as a tunnel must, in the clear
//
// Both say `{"ready"}` once the devices are there.
import {
  encodeAddress,
  Errno,
  MAX_PACKETS,
  openNative,
  PollEvents,
  UDP_META_BYTES,
} from "../../core/native/ffi.ts";
import { insideNamespace, readWhole, writeWhole } from "../lab/libc.ts";

/** What remains of 1500 with the headers of a datagram and of our tunnel. */
const MTU = 1424, STRIDE = 2048, HEADROOM = 64;
const native = openNative();
const poll = native.poll(), events = new Uint32Array(2 * 16);
const [mode, ...words] = Deno.args;
if (mode === "forward") forward(words as [string, string, string, string]);
else datagrams(words as [string, string, string, string]);

function forward([nearSpace, nearDevice, farSpace, farDevice]: [string, string, string, string]): void {
  const open = (space: string, device: string) =>
    insideNamespace(space, () => native.tun(device, { mtu: MTU, offload: true }));
  const fds = [open(nearSpace, nearDevice).fd, open(farSpace, farDevice).fd];
  fds.forEach((fd, tag) => poll.add(fd, PollEvents.in, tag));
  const whole = new Uint8Array(65_536 + 64);
  console.log('{"ready":true}');
  for (;;) {
    const count = poll.wait(events, 1_000);
    for (let index = 0; index < count; index++) {
      const from = events[2 * index]!;
      // Bounded, so that the other direction has its turn; with the header that says how to cut it up.
      for (let turn = 0; turn < 64; turn++) {
        const length = readWhole(fds[from]!, whole);
        if (length <= 0) break;
        writeWhole(fds[1 - from]!, whole, length);
      }
    }
  }
}

function datagrams([device, own, remote, port]: [string, string, string, string]): void {
  const tun = native.tun(device, { mtu: MTU, offload: true });
  const fd = native.udpOpen({ host: own, port: Number(port) }, { gro: true });
  const to = encodeAddress({ host: remote, port: Number(port) });
  poll.add(tun.fd, PollEvents.in, 0);
  poll.add(fd, PollEvents.in, 1);
  const slots = new Uint8Array(MAX_PACKETS * STRIDE), sizes = new Uint32Array(MAX_PACKETS);
  const run = new Uint8Array(65_536), messages = 16;
  const arrived = new Uint8Array(messages * 65_536), meta = new Uint8Array(messages * UDP_META_BYTES);
  const view = new DataView(meta.buffer), spans = new Uint32Array(2 * MAX_PACKETS);
  console.log('{"ready":true}');

  /** Packets of one size go as one run; a shorter one may end it (udp(7), UDP_SEGMENT). */
  const outward = () => {
    const count = tun.receive(slots, STRIDE, HEADROOM, sizes);
    if (count <= 0) return count === -Errno.EIO;
    for (let index = 0; index < count;) {
      const size = sizes[index]!;
      let length = 0, packets = 0, last = size;
      while (
        index < count && packets < 64 && last === size && sizes[index]! <= size && length + size <= 65_000
      ) {
        last = sizes[index]!;
        const at = index * STRIDE + HEADROOM;
        run.set(slots.subarray(at, at + last), length);
        length += last;
        packets++;
        index++;
      }
      native.udpSend(fd, to, run, 0, length, packets > 1 ? size : 0);
    }
    return true;
  };

  const inward = () => {
    const count = native.udpReceive(fd, arrived, meta);
    let pending = 0;
    for (let index = 0; index < count; index++) {
      const at = index * UDP_META_BYTES;
      const offset = view.getUint32(at, true), length = view.getUint32(at + 4, true);
      const segment = view.getUint32(at + 8, true);
      for (let done = 0; done < length; done += segment) {
        if (pending === MAX_PACKETS) pending = tun.send(arrived, spans, pending) && 0;
        spans[2 * pending] = offset + done;
        spans[2 * pending + 1] = Math.min(segment, length - done);
        pending++;
      }
    }
    if (pending > 0) tun.send(arrived, spans, pending);
    return count > 0;
  };

  for (;;) {
    const count = poll.wait(events, 1_000);
    for (let index = 0; index < count; index++) {
      const work = events[2 * index] === 0 ? outward : inward;
      for (let turn = 0; turn < 16 && work(); turn++);
    }
  }
}

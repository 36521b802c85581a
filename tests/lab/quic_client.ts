// A LAN device that downloads by QUIC (quinn, which is in Deno), told as JSON lines on standard output as client.ts does.
//
//   quic_client.ts HOST PORT CERTIFICATE SECONDS SKIP_SECONDS STREAMS     needs --unstable-net
//
// One connection. Its streams share one congestion window; there are several since a stream's window here is 1.25 MB, which
// 100 Mbit/s with a delay of 100 ms is more than.
import { setReceiveBuffer, udpSockets } from "./libc.ts";
import { Meter } from "./meter.ts";

/** As browsers ask for: with the kernel's default each stall of 20 ms would be a loss that no link is to blame for. */
const RECEIVE_BUFFER_BYTES = 4 << 20;

const [hostname = "", port, certificate = "", seconds, skipSeconds, streams] = Deno.args;
const limitMs = Number(seconds) * 1000;
const meter = new Meter(Number(skipSeconds) * 1000);
const startedMs = performance.now();
const elapsedMs = () => Math.round(performance.now() - startedMs);

const ticker = setInterval(() => {
  const { bytes } = meter;
  console.log(JSON.stringify({ tMs: elapsedMs(), bytes, stallMs: Math.round(meter.takeStallMs()) }));
}, 100);
let error: string | undefined;
try {
  const endpoint = new Deno.QuicEndpoint();
  for (const fd of udpSockets()) setReceiveBuffer(fd, RECEIVE_BUFFER_BYTES);
  const connection = await Promise.race([
    Deno.connectQuic({
      endpoint,
      hostname,
      port: Number(port),
      serverName: "lab",
      caCerts: [await Deno.readTextFile(certificate)],
      alpnProtocols: ["otb-lab"],
      maxIdleTimeout: 30_000,
    }),
    new Promise<never>((_, reject) =>
      setTimeout(() => reject(new Error("no handshake within 10 s")), 10_000)
    ),
  ]);
  const lost = connection.closed.then(({ reason }) => reason || "the connection ended");
  const reading = Array.from({ length: Number(streams) }, async () => {
    const { readable, writable } = await connection.createBidirectionalStream();
    await writable.getWriter().write(new TextEncoder().encode("d"));
    for await (const piece of readable) meter.take(piece.length);
  });
  const end = new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), limitMs));
  error = await Promise.race([end, lost, Promise.all(reading).then(() => "the streams ended")]);
} catch (cause) {
  error = (cause as Error).message;
}
clearInterval(ticker);
if (meter.bytes === 0) error ??= `nothing came within ${limitMs} ms`;
const { bytes, mbps, longestStallMs } = meter;
console.log(JSON.stringify({ bytes, ms: elapsedMs(), mbps, longestStallMs, error }));
Deno.exit(0);

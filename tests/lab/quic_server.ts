// The Internet server of a lab by QUIC (quinn, which is in Deno): on every stream that a client opens, known bytes without end.
//
//   quic_server.ts PORT CERTIFICATE KEY     needs --unstable-net; its first line says that it listens
import { BLOCK, BLOCK_BYTES } from "./blocks.ts";

const PIECE = 1 << 17;

const [port = "", certificate = "", key = ""] = Deno.args;
const endpoint = new Deno.QuicEndpoint({ hostname: "::", port: Number(port) });
const listener = endpoint.listen({
  cert: await Deno.readTextFile(certificate),
  key: await Deno.readTextFile(key),
  alpnProtocols: ["otb-lab"],
  maxIdleTimeout: 30_000,
});
console.log(JSON.stringify({ listening: Number(port) }));
for await (const incoming of listener) serve(incoming).catch(() => {});

async function serve(incoming: Deno.QuicIncoming): Promise<void> {
  const connection = await incoming.accept();
  for await (const { writable } of connection.incomingBidirectionalStreams) send(writable).catch(() => {});
}

async function send(stream: Deno.QuicSendStream): Promise<void> {
  const writer = stream.getWriter();
  for (let sent = 0;; sent += PIECE) {
    const at = sent % BLOCK_BYTES;
    await writer.write(BLOCK.subarray(at, at + PIECE));
  }
}

// The Internet server of a lab: `GET /file?bytes=N` streams known bytes, `PUT /upload` checks them, `GET /whoami` says who asks,
// `GET /generate_204` has nothing to say.
// Raw sockets with large writes: it must never be what a measurement measures.
import { accepted } from "@otb/plugin";
import { BLOCK, BLOCK_BYTES, Checker } from "./blocks.ts";
import { Meter } from "./meter.ts";

/** How long an answer has to arrive before what still comes is reset. */
const ANSWER_MS = 2_500;

const port = Number(Deno.args[Deno.args.indexOf("--port") + 1] ?? 8080);
const listener = Deno.listen({ hostname: "0.0.0.0", port });
console.log(`listening on ${port}`);
for await (const connection of accepted(listener)) {
  serve(connection).catch(() => {}).finally(() => close(connection));
}

async function serve(connection: Deno.TcpConn): Promise<void> {
  const chunk = new Uint8Array(65_536);
  let head = "";
  let rest: Uint8Array = new Uint8Array();
  while (!head.includes("\r\n\r\n")) {
    const length = await connection.read(chunk);
    if (length === null || head.length > 8192) return;
    const text = new TextDecoder("latin1").decode(chunk.subarray(0, length));
    const end = (head + text).indexOf("\r\n\r\n");
    if (end >= 0) rest = chunk.slice(end + 4 - head.length, length);
    head += text;
  }
  const [method, path = ""] = head.split(" ");
  const url = new URL(path, "http://lab");
  if (method === "PUT") {
    const [skipMs, limitMs] = ["skip", "ms"].map((name) => Number(url.searchParams.get(name) ?? 0));
    return await upload(connection, rest, skipMs!, limitMs!);
  }
  if (url.pathname === "/whoami") {
    const { hostname } = connection.remoteAddr as Deno.NetAddr;
    return await reply(connection, `${hostname}\n`);
  }
  if (url.pathname === "/generate_204") {
    await writeAll(
      connection,
      new TextEncoder().encode("HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"),
    );
    return await connection.closeWrite();
  }
  if (url.pathname === "/file") {
    return await download(connection, Number(url.searchParams.get("bytes") ?? BLOCK_BYTES));
  }
  await connection.write(
    new TextEncoder().encode("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
  );
}

async function download(connection: Deno.TcpConn, bytes: number): Promise<void> {
  await writeAll(
    connection,
    new TextEncoder().encode(`HTTP/1.1 200 OK\r\nContent-Length: ${bytes}\r\nConnection: close\r\n\r\n`),
  );
  for (let sent = 0; sent < bytes;) {
    const at = sent % BLOCK_BYTES;
    sent += await connection.write(BLOCK.subarray(at, Math.min(BLOCK_BYTES, at + bytes - sent)));
  }
  await connection.closeWrite();
}

/**
 * Takes bytes until the client has no more, and answers with what arrived and how fast; after `limitMs`, unless that is 0, it
 * answers with what arrived until then, and resets the connection.
 */
async function upload(
  connection: Deno.TcpConn,
  first: Uint8Array,
  skipMs: number,
  limitMs: number,
): Promise<void> {
  const checker = new Checker();
  const meter = new Meter(skipMs);
  const chunk = new Uint8Array(1 << 18);
  const answer = () => {
    const { bytes, ok } = checker;
    const { mbps, longestStallMs, arrivals, gaps } = meter;
    const seen = { mbps, longestStallMs, arrivals, gaps };
    return reply(connection, JSON.stringify({ bytes, ok, sha256: checker.sha256(), ...seen }));
  };
  let isOver = false;
  const limits = limitMs > 0
    ? [
      setTimeout(() => {
        isOver = true;
        answer().catch(() => {});
      }, limitMs),
      setTimeout(() => close(connection), limitMs + ANSWER_MS),
    ]
    : [];
  try {
    let piece = first;
    for (;;) {
      if (piece.length > 0 && !isOver) {
        checker.take(piece);
        meter.take(piece.length);
      }
      const length = await connection.read(chunk);
      if (length === null) break;
      piece = chunk.subarray(0, length);
    }
    if (!isOver) await answer();
  } finally {
    limits.forEach(clearTimeout);
  }
}

async function reply(connection: Deno.TcpConn, text: string): Promise<void> {
  await writeAll(
    connection,
    new TextEncoder().encode(
      `HTTP/1.1 200 OK\r\nContent-Length: ${text.length}\r\nConnection: close\r\n\r\n${text}`,
    ),
  );
  await connection.closeWrite();
}

async function writeAll(connection: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
  for (let sent = 0; sent < bytes.length;) sent += await connection.write(bytes.subarray(sent));
}

function close(connection: Deno.TcpConn): void {
  try {
    connection.close();
  } catch {
    // The client was first.
  }
}

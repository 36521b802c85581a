// A LAN device: one transfer over exactly one plain TCP connection, told as JSON lines on standard output.
//
//   client.ts --url HOST:PORT [--upload] [--bytes N] [--seconds N] [--skip N]
//
// While it runs `{"tMs","bytes","stallMs"}` every 100 ms, in the end `{"bytes","ms","mbps","longestStallMs","sha256","checksumOk"}`
// or the same with `error`. `--skip` leaves the first seconds out of `mbps`; a transfer ended by `--seconds` has no checksum.
import { parseArgs } from "node:util";
import { BLOCK, BLOCK_BYTES, Checker } from "./blocks.ts";
import { Meter } from "./meter.ts";

const { values } = parseArgs({
  args: Deno.args,
  options: {
    url: { type: "string" },
    upload: { type: "boolean" },
    bytes: { type: "string" },
    seconds: { type: "string" },
    skip: { type: "string" },
  },
});
const [hostname, port] = values.url!.split(":") as [string, string];
const total = Number(values.bytes ?? 1e12);
const limitMs = Number(values.seconds ?? 600) * 1000;
const skipMs = Number(values.skip ?? 0) * 1000;

const started = performance.now();
const elapsedMs = () => performance.now() - started;
const meter = new Meter(skipMs);
let sentBytes = 0;

const ticker = setInterval(() => {
  const bytes = Math.max(meter.bytes, sentBytes);
  console.log(
    JSON.stringify({ tMs: Math.round(elapsedMs()), bytes, stallMs: Math.round(meter.takeStallMs()) }),
  );
}, 100);

let outcome: object;
try {
  const connection = await Deno.connect({ hostname, port: Number(port) });
  connection.setNoDelay(true);
  outcome = values.upload ? await upload(connection) : await download(connection);
} catch (error) {
  outcome = { error: (error as Error).message };
}
clearInterval(ticker);
const { bytes, mbps, longestStallMs } = meter;
console.log(JSON.stringify({ bytes, ms: elapsedMs(), mbps, longestStallMs, ...outcome }));
Deno.exit(0);

async function download(connection: Deno.TcpConn): Promise<object> {
  await connection.write(new TextEncoder().encode(`GET /file?bytes=${total} HTTP/1.1\r\nHost: lab\r\n\r\n`));
  const late = setTimeout(() => connection.close(), limitMs);
  const checker = new Checker();
  const chunk = new Uint8Array(1 << 18);
  let head: string | undefined = "";
  try {
    for (;;) {
      const length = await connection.read(chunk);
      if (length === null) break;
      let body = chunk.subarray(0, length);
      if (head !== undefined) {
        head += new TextDecoder("latin1").decode(body);
        const end: number = head.indexOf("\r\n\r\n");
        if (end < 0) continue;
        body = body.subarray(body.length - (head.length - end - 4));
        head = undefined;
      }
      meter.take(body.length);
      checker.take(body);
    }
  } catch (error) {
    if (elapsedMs() < limitMs) throw error;
  }
  clearTimeout(late);
  const whole = checker.bytes === total;
  if (!whole && elapsedMs() < limitMs) {
    return { error: `ended after ${checker.bytes} bytes`, checksumOk: false };
  }
  if (checker.bytes === 0) return { error: `nothing came within ${limitMs} ms`, checksumOk: false };
  return whole ? { checksumOk: checker.ok, sha256: checker.sha256() } : {};
}

/** What counts is what arrives: the server measures and says so in its answer. */
async function upload(connection: Deno.TcpConn): Promise<object> {
  await connection.write(
    new TextEncoder().encode(`PUT /upload?skip=${skipMs} HTTP/1.1\r\nHost: lab\r\n\r\n`),
  );
  while (sentBytes < total && elapsedMs() < limitMs) {
    const at = sentBytes % BLOCK_BYTES;
    sentBytes += await connection.write(
      BLOCK.subarray(at, Math.min(at + 65_536, BLOCK_BYTES, at + total - sentBytes)),
    );
  }
  await connection.closeWrite();
  let text = "";
  const chunk = new Uint8Array(65_536);
  for (let length = await connection.read(chunk); length !== null; length = await connection.read(chunk)) {
    text += new TextDecoder().decode(chunk.subarray(0, length));
  }
  if (text === "") return { error: "the server did not answer", checksumOk: false };
  const { ok, ...answer } = JSON.parse(text.slice(text.indexOf("\r\n\r\n") + 4));
  return { ...answer, checksumOk: ok && answer.bytes === sentBytes };
}

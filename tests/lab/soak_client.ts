// A LAN device under `otb bench soak`: short connections, downloads one after the other, and datagrams that are echoed.
//
//   soak_client.ts HOST:PORT ECHO_PORT
//
// Tells `{"broken","fromMs","toMs","why"}` for each connection that did not bring what it should, and after a line on standard input
// `{"short","downloads","bytes","echoes","echoed","gaps"}`; `gaps` are times of more than two seconds without an echo. Times are
// milliseconds since the epoch.
import { Checker } from "./blocks.ts";

const [target = "", echoPort = ""] = Deno.args;
const [hostname = "", port = ""] = target.split(":");
const SHORT_BYTES = 20_000, LONG_BYTES = 4_000_000;
const SHORT_EVERY_MS = 150, ECHO_EVERY_MS = 50, GAP_MS = 2_000, PATIENCE_MS = 60_000;

const counts = { short: 0, downloads: 0, bytes: 0, echoes: 0, echoed: 0 };
const gaps: { fromMs: number; toMs: number }[] = [];
let isRunning = true;

async function fetchBytes(bytes: number): Promise<boolean> {
  const fromMs = Date.now();
  let why: string | undefined;
  try {
    using connection = await Deno.connect({ hostname, port: Number(port) });
    const late = setTimeout(() => connection.close(), PATIENCE_MS);
    try {
      why = await take(connection, bytes);
    } finally {
      clearTimeout(late);
    }
  } catch (error) {
    why = (error as Error).message;
  }
  if (why !== undefined) console.log(JSON.stringify({ broken: bytes, fromMs, toMs: Date.now(), why }));
  return why === undefined;
}

async function take(connection: Deno.TcpConn, bytes: number): Promise<string | undefined> {
  await connection.write(new TextEncoder().encode(`GET /file?bytes=${bytes} HTTP/1.1\r\nHost: lab\r\n\r\n`));
  const checker = new Checker();
  const chunk = new Uint8Array(1 << 16);
  let head: string | undefined = "";
  for (let length = await connection.read(chunk); length !== null; length = await connection.read(chunk)) {
    let body = chunk.subarray(0, length);
    if (head !== undefined) {
      head += new TextDecoder("latin1").decode(body);
      const end: number = head.indexOf("\r\n\r\n");
      if (end < 0) continue;
      body = body.subarray(body.length - (head.length - end - 4));
      head = undefined;
    }
    checker.take(body);
    counts.bytes += body.length;
  }
  if (checker.bytes !== bytes) return `ended after ${checker.bytes} of ${bytes} bytes`;
  return checker.ok ? undefined : "bytes that were not sent";
}

async function download(): Promise<void> {
  while (isRunning) {
    if (await fetchBytes(LONG_BYTES)) counts.downloads++;
    else await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

const open = new Set<Promise<void>>();
const shorts = setInterval(() => {
  if (open.size > 200) return;
  const one = fetchBytes(SHORT_BYTES).then((done) => void (counts.short += Number(done))).finally(() =>
    open.delete(one)
  );
  open.add(one);
}, SHORT_EVERY_MS);

const socket = Deno.listenDatagram({ transport: "udp", hostname: "0.0.0.0", port: 0 });
let heardMs = Date.now();
(async () => {
  for await (const _ of socket) {
    const nowMs = Date.now();
    if (nowMs - heardMs > GAP_MS && counts.echoed > 0) gaps.push({ fromMs: heardMs, toMs: nowMs });
    heardMs = nowMs;
    counts.echoed++;
  }
})().catch(() => {});
const echoes = setInterval(() => {
  counts.echoes++;
  socket.send(new Uint8Array(200), { transport: "udp", hostname, port: Number(echoPort) }).catch(() => {});
}, ECHO_EVERY_MS);

const downloading = download();
console.log(JSON.stringify({ started: true }));
await Deno.stdin.read(new Uint8Array(16));
isRunning = false;
clearInterval(shorts);
clearInterval(echoes);
if (Date.now() - heardMs > GAP_MS + 1_000) gaps.push({ fromMs: heardMs, toMs: Date.now() });
await Promise.all([downloading, ...open]);
console.log(JSON.stringify({ ...counts, gaps }));
Deno.exit(0);

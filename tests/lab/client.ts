// A LAN device: one transfer over one plain TCP connection, or over several at once, told as JSON lines on standard output.
//
//   client.ts --url HOST:PORT [--upload] [--bytes N] [--seconds N] [--skip N] [--connections N] [--leave]
//
// While it runs `{"tMs","bytes","stallMs"}` every 100 ms, in the end `{"startedMs","bytes","ms","mbps","longestStallMs","checksumOk",
// "sha256","arrivals","gaps"}` or the same with `error`. `--bytes` is of each connection; `--skip` leaves the first seconds out of
// `mbps`; a download ended by `--seconds` has no `sha256`, and `checksumOk` is of what came. `arrivals` are of all connections
// together, where the bytes arrive; `gaps`, and an upload's `sha256`, of one connection alone. With `--leave` an upload ends with
// `--seconds` as a download does, whatever is still on its way, and `checksumOk` is of what came.
import { parseArgs } from "node:util";
import { type Arrivals, joined, mbpsBetween } from "./arrivals.ts";
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
    connections: { type: "string" },
    leave: { type: "boolean" },
  },
});
/** What one connection came to. */
interface Outcome {
  checksumOk: boolean;
  error?: string;
  sha256?: string;
  bytes?: number;
  arrivals?: Arrivals;
}

const [hostname, port] = values.url!.split(":") as [string, string];
const total = Number(values.bytes ?? 1e12);
const limitMs = Number(values.seconds ?? 600) * 1000;
const skipMs = Number(values.skip ?? 0) * 1000;
const count = Number(values.connections ?? 1);

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
  const outcomes = await Promise.all(Array.from({ length: count }, connect));
  outcome = outcomes.length === 1 ? outcomes[0]! : together(outcomes);
} catch (error) {
  outcome = { error: (error as Error).message };
}
clearInterval(ticker);
const { bytes, mbps, longestStallMs, arrivals, gaps } = meter;
const startedMs = performance.timeOrigin + started;
console.log(
  JSON.stringify({ startedMs, bytes, ms: elapsedMs(), mbps, longestStallMs, arrivals, gaps, ...outcome }),
);
Deno.exit(0);

async function connect(): Promise<Outcome> {
  const connection = await Deno.connect({ hostname, port: Number(port) });
  connection.setNoDelay(true);
  return values.upload ? await upload(connection) : await download(connection);
}

/** What came of several connections; what arrived of uploads is what the server saw of each. */
function together(outcomes: Outcome[]): object {
  const checksumOk = outcomes.every(({ checksumOk }) => checksumOk);
  const error = outcomes.find(({ error }) => error !== undefined)?.error;
  const said = { checksumOk, ...(error !== undefined && { error }) };
  if (!values.upload) return said;
  const arrivals = joined(outcomes.flatMap(({ arrivals }) => arrivals ?? []));
  const fromMs = performance.timeOrigin + started;
  return {
    ...said,
    arrivals,
    gaps: [],
    bytes: outcomes.reduce((sum, { bytes = 0 }) => sum + bytes, 0),
    mbps: mbpsBetween(arrivals, fromMs + skipMs, fromMs + elapsedMs()),
  };
}

async function download(connection: Deno.TcpConn): Promise<Outcome> {
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
  return { checksumOk: checker.ok, ...(whole && { sha256: checker.sha256() }) };
}

/** What counts is what arrives: the server measures and says so in its answer. */
async function upload(connection: Deno.TcpConn): Promise<Outcome> {
  const query = `skip=${skipMs}${values.leave ? `&ms=${limitMs}` : ""}`;
  await connection.write(new TextEncoder().encode(`PUT /upload?${query} HTTP/1.1\r\nHost: lab\r\n\r\n`));
  let mine = 0;
  const sending = (async () => {
    while (mine < total && (values.leave || elapsedMs() < limitMs)) {
      const at = mine % BLOCK_BYTES;
      const written = await connection.write(
        BLOCK.subarray(at, Math.min(at + 65_536, BLOCK_BYTES, at + total - mine)),
      );
      mine += written;
      sentBytes += written;
    }
    await connection.closeWrite();
  })();
  // It ends when the connection is left.
  if (values.leave) sending.catch(() => {});
  else await sending;
  let text = "";
  const chunk = new Uint8Array(65_536);
  for (let length = await connection.read(chunk); length !== null; length = await connection.read(chunk)) {
    text += new TextDecoder().decode(chunk.subarray(0, length));
  }
  if (values.leave) connection.close();
  if (text === "") return { error: "the server did not answer", checksumOk: false };
  const { ok, ...answer } = JSON.parse(text.slice(text.indexOf("\r\n\r\n") + 4));
  return { ...answer, checksumOk: ok && (values.leave || answer.bytes === mine) };
}

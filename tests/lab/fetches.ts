// A LAN device that fetches objects and pages, each over connections of its own, as often as it is told to.
//
//   fetches.ts PORT HOST...
//
// A line `TIMES PAGES` on standard input has it fetch one object of each size so many times in turn, then so many pages, one after the
// other. Each tells `{"what","ms"}`, from before the connection to the last byte, or `{"what","broken"}`; at the end `{"done"}`.
import { Checker } from "./blocks.ts";

const OBJECTS: { [what: string]: number } = { "1 kB": 1e3, "10 kB": 1e4, "100 kB": 1e5, "1 MB": 1e6 };
/** A page: so many objects of these sizes, from each host so many at once. */
const PAGE_OBJECTS = 60, PAGE_BYTES = [2e3, 5e3, 1e4, 2e4, 4e4, 8e4], AT_ONCE = 6;
/** Between two, by chance up to so long, milliseconds. */
const PAUSE_MS = 60;

const [port = "", ...hosts] = Deno.args;

/** @throws Error when what comes is not what was asked for */
async function fetchObject(hostname: string, bytes: number): Promise<void> {
  using connection = await Deno.connect({ hostname, port: Number(port) });
  connection.setNoDelay(true);
  await connection.write(new TextEncoder().encode(`GET /file?bytes=${bytes} HTTP/1.1\r\nHost: lab\r\n\r\n`));
  const checker = new Checker();
  const chunk = new Uint8Array(1 << 16);
  let head: string | undefined = "";
  while (checker.bytes < bytes) {
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
    checker.take(body);
  }
  if (checker.bytes !== bytes || !checker.ok) throw new Error(`${checker.bytes} of ${bytes} bytes`);
}

async function fetchPage(): Promise<void> {
  await Promise.all(hosts.flatMap((host, at) => {
    const mine = Array.from({ length: PAGE_OBJECTS }, (_, index) => index)
      .filter((index) => index % hosts.length === at)
      .map((index) => PAGE_BYTES[Math.floor(index / hosts.length) % PAGE_BYTES.length]!);
    return Array.from({ length: AT_ONCE }, async () => {
      for (let bytes = mine.shift(); bytes !== undefined; bytes = mine.shift()) {
        await fetchObject(host, bytes);
      }
    });
  }));
}

async function timed(what: string, work: () => Promise<void>): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, Math.random() * PAUSE_MS));
  const started = performance.now();
  try {
    await work();
    console.log(JSON.stringify({ what, ms: performance.now() - started }));
  } catch (error) {
    console.log(JSON.stringify({ what, broken: (error as Error).message }));
  }
}

console.log(JSON.stringify({ ready: true }));
for await (const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
  const [times = 0, pages = 0] = text.split(" ").map(Number);
  for (let time = 0; time < times; time++) {
    for (const [what, bytes] of Object.entries(OBJECTS)) {
      await timed(what, () => fetchObject(hosts[0]!, bytes));
    }
  }
  for (let page = 0; page < pages; page++) await timed("page", fetchPage);
  console.log(JSON.stringify({ done: true }));
}

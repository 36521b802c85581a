// A LAN device that asks for names all the time, each once: no question is asked again, so that none that was lost is hidden.
//
//   dns_asker.ts SERVER EVERY_MS NAME [fresh]
//
// `fresh` puts a label of its own before each name. After a line on standard input it asks no more, waits for what is due, and
// tells `{"asked","lost","longestMs"}`; `lost` has the milliseconds (since the first question) of those without an answer.
const [server = "", everyMs = "10", name = "", fresh] = Deno.args;
const WAIT_MS = 5_000;

const socket = Deno.listenDatagram({ transport: "udp", hostname: "0.0.0.0", port: 0 });
const open = new Map<number, number>();
const startMs = performance.now();
let id = 0, longestMs = 0;
(async () => {
  for await (const [message] of socket) {
    const answered = message[0]! * 256 + message[1]!;
    const askedMs = open.get(answered);
    // A failure is no answer to a device.
    if (askedMs === undefined || (message[3]! & 15) !== 0 || message[7] === 0) continue;
    open.delete(answered);
    longestMs = Math.max(longestMs, performance.now() - askedMs);
  }
})().catch(() => {});

const timer = setInterval(() => {
  const question = questionOf(++id, fresh ? `q${id}.${name}` : name);
  open.set(id, performance.now());
  socket.send(question, { transport: "udp", hostname: server, port: 53 }).catch(() => {});
}, Number(everyMs));
console.log(JSON.stringify({ asking: true }));

await Deno.stdin.read(new Uint8Array(16));
clearInterval(timer);
const endMs = performance.now() + WAIT_MS;
while (open.size > 0 && performance.now() < endMs) await new Promise((resolve) => setTimeout(resolve, 20));
console.log(JSON.stringify({
  asked: id,
  lost: [...open.values()].map((atMs) => Math.round(atMs - startMs)),
  longestMs: Math.round(longestMs),
}));
Deno.exit(0);

/** A question for an IPv4 address (RFC 1035 section 4.1). */
function questionOf(id: number, name: string): Uint8Array {
  const labels = name.split(".").flatMap((label) => [label.length, ...new TextEncoder().encode(label)]);
  return Uint8Array.from([id >> 8, id & 255, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...labels, 0, 0, 1, 0, 1]);
}

// Both ends of numbered UDP flows at constant rates, told as JSON lines on standard output.
//
//   datagrams.ts serve PORT          answers every client; `report SESSION` on standard input asks for what came and was sent
//   datagrams.ts ask JSON            one session as `Ask` says, until its time is over
//
// Every 100 ms `{"session","tMs","received","gapMs"}` of what came; `gapMs` is the longest time without a datagram since the
// last line. In the end, or on request, `{"session","received","sent","from","error"}`: `from` are the addresses that a
// session's datagrams came from, in the order in which they were first seen.
import { Buffer } from "node:buffer";
import { ADDRESS_BYTES, decodeAddress, encodeAddress, openNative } from "../../core/native/ffi.ts";
import { DatagramMeter, type Header, HEADER_BYTES, Kind, readHeader, writeHeader } from "./datagram_meter.ts";
import { DatagramSender, DatagramSockets, type SessionSpec, type Target } from "./datagram_traffic.ts";
import { monotonicUs } from "./libc.ts";

/** What a client is to do. */
export interface Ask extends SessionSpec {
  host: string;
  port: number;
  session: number;
  /** Its own port, of the first flow; 0 leaves it to the kernel. */
  localPort: number;
  /** Nothing is fragmented on the way out (IP_PMTUDISC_PROBE). */
  whole: boolean;
  /** How long the server may leave a greeting unanswered. */
  patienceSeconds: number;
}

const GREETING_MS = 100, DRAIN_MS = 1_000;
/** Addresses of a session that are told at most. */
const MANY = 64;
const native = openNative();

const [mode, word = ""] = Deno.args;
if (mode === "serve") await serve(Number(word));
else await ask(JSON.parse(word));
Deno.exit(0);

function say(line: object): void {
  console.log(JSON.stringify(line));
}

function message(header: Omit<Header, "sentUs">, text = ""): Uint8Array<ArrayBuffer> {
  const body = new TextEncoder().encode(text);
  const packet = new Uint8Array(HEADER_BYTES + body.length);
  writeHeader(packet, { ...header, sentUs: monotonicUs() });
  packet.set(body, HEADER_BYTES);
  return packet;
}

async function serve(port: number): Promise<void> {
  interface Session {
    startMs: number;
    flows: number;
    /** By flow, as they were first seen. */
    targets: Target[];
    meter: DatagramMeter | undefined;
    sender: DatagramSender | undefined;
    from: Set<string>;
    last: Uint8Array<ArrayBuffer>;
  }
  const sessions = new Map<number, Session>();
  const sockets = new DatagramSockets(native, 1, "::", port, false);
  const [fd] = sockets.fds as [number];
  say({ listening: port });
  void (async () => {
    let text = "";
    for await (const piece of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
      const lines = (text + piece).split("\n");
      text = lines.pop()!;
      for (const line of lines) {
        const session = Number(line.split(" ")[1]);
        const { meter, sender, from } = sessions.get(session) ?? {};
        say({ session, received: meter?.report(), sent: sender?.sent, from: [...from ?? []] });
        sessions.delete(session);
      }
    }
    Deno.exit(0);
  })();
  const open = (header: Header, packet: Uint8Array): Session => {
    const spec: SessionSpec = JSON.parse(new TextDecoder().decode(packet.subarray(HEADER_BYTES)));
    const sender = spec.down && new DatagramSender(native, header.session, spec.down, spec, true);
    const meter = spec.up && new DatagramMeter(spec.up.bytes);
    return {
      ...{
        startMs: performance.now(),
        flows: spec.flows,
        targets: [],
        meter,
        sender,
        from: new Set<string>(),
      },
      last: new Uint8Array(ADDRESS_BYTES),
    };
  };
  let toldMs = performance.now();
  for (;;) {
    const isSending = [...sessions.values()].some(({ sender }) => sender && !sender.isDone);
    await sockets.receive(isSending ? 1 : 50, (packet, _, remote, nowUs) => {
      const header = readHeader(packet);
      if (!header) return;
      let session = sessions.get(header.session);
      if (header.kind === Kind.hello) {
        if (!session) sessions.set(header.session, session = open(header, packet));
        session.targets[header.flow] ??= { fd, remote: remote.slice() };
        const answer = message({ ...header, kind: Kind.heard });
        native.udpSend(fd, remote, answer, 0, answer.length, 0);
      } else {
        session?.meter?.take(header, packet, nowUs);
      }
      if (!session || Buffer.compare(session.last, remote) === 0) return;
      session.last.set(remote);
      const { host, port } = decodeAddress(remote);
      if (session.from.size < MANY) {
        session.from.add(host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`);
      }
    });
    for (const { sender, targets, flows } of sessions.values()) {
      if (sender && !sender.isDone && Object.keys(targets).length === flows) sender.tick(targets);
    }
    if (performance.now() - toldMs < 100) continue;
    toldMs = performance.now();
    for (const [session, { meter, startMs }] of sessions) {
      if (meter) tell(session, meter, startMs);
    }
  }
}

function tell(session: number, meter: DatagramMeter, startMs: number): void {
  const tMs = Math.round(performance.now() - startMs);
  say({ session, tMs, received: meter.received, gapMs: Math.round(meter.takeGapMs(monotonicUs())) });
}

async function ask(wanted: Ask): Promise<void> {
  const { host, port, session, localPort, flows, ...rest } = wanted;
  const isIpv6 = host.includes(":");
  const sockets = new DatagramSockets(native, flows, isIpv6 ? "::" : "0.0.0.0", localPort, rest.whole);
  const remote = encodeAddress({ host, port });
  const targets = sockets.fds.map((fd) => ({ fd, remote }));
  const heard = new Uint8Array(flows);
  const meter = rest.down && new DatagramMeter(rest.down.bytes);
  const text = JSON.stringify({ ...rest, flows } satisfies SessionSpec);
  let heardCount = 0, greetedMs = -Infinity, toldMs = performance.now();
  let sender: DatagramSender | undefined;
  const askedMs = performance.now();
  let startMs: number | undefined;
  const isOver = () => {
    const nowMs = performance.now();
    return startMs === undefined
      ? nowMs > askedMs + wanted.patienceSeconds * 1000
      : nowMs > startMs + wanted.seconds * 1000 + DRAIN_MS;
  };
  while (!isOver()) {
    if (heardCount < flows && performance.now() - greetedMs > GREETING_MS) {
      greetedMs = performance.now();
      // A few hundred at a time, as buffers on the way are not made for thousands at once.
      for (let flow = 0, sent = 0; flow < flows && sent < 300; flow++) {
        if (heard[flow]) continue;
        sent++;
        const greeting = message({ session, kind: Kind.hello, flow, sequence: 0 }, text);
        native.udpSend(targets[flow]!.fd, remote, greeting, 0, greeting.length, 0);
      }
    }
    await sockets.receive(sender && !sender.isDone ? 1 : 20, (packet, socket, _, nowUs) => {
      const header = readHeader(packet);
      if (!header || header.session !== session) return;
      // Data says as well that the greeting has come.
      if (!heard[socket]) heard[socket] = 1, heardCount++;
      if (header.kind !== Kind.heard) meter?.take(header, packet, nowUs);
    });
    if (startMs === undefined && heardCount === flows) {
      startMs = performance.now();
      if (wanted.up) sender = new DatagramSender(native, session, wanted.up, wanted, isIpv6);
    }
    sender?.tick(targets);
    if (meter && performance.now() - toldMs >= 100) {
      toldMs = performance.now();
      tell(session, meter, startMs ?? askedMs);
    }
  }
  const error = startMs === undefined ? `${heardCount} of ${flows} greetings were answered` : undefined;
  say({ session, received: meter?.report(), sent: sender?.sent, error });
}

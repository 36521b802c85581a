// Asks the resolver of one link over that link alone: UDP from the link's own address, and TCP for what does not fit (RFC 7766).
import { Buffer } from "node:buffer";
import { createSocket } from "node:dgram";
import { createConnection } from "node:net";
import { framed, messages } from "./frames.ts";
import { answers, isCut, type Query, withId } from "./wire.ts";

type Bytes = Uint8Array<ArrayBuffer>;

const DNS_PORT = 53;
/** When a question is sent, as packets are lost, and when it is given up, milliseconds. */
const SEND_AT_MS = [0, 400, 1_200], ANSWER_MS = 2_500;

/** Where to ask: the link's own address, from which the kernel leaves by that link, and resolvers that are asked together. */
export interface LinkServers {
  source: string;
  servers: string[];
}

/** The first answer of any; undefined when none came. `port` is for tests. */
export async function askLink(
  query: Query,
  { source, servers }: LinkServers,
  signal: AbortSignal,
  port = DNS_PORT,
): Promise<Bytes | undefined> {
  const within = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]);
  const answer = await askByUdp(query, { source, servers }, within, port);
  if (!answer || !isCut(answer.message)) return answer?.message;
  return await askByTcp(query, source, answer.server, within, port).catch(() => undefined);
}

function askByUdp(
  query: Query,
  { source, servers }: LinkServers,
  signal: AbortSignal,
  port: number,
): Promise<{ message: Bytes; server: string } | undefined> {
  return new Promise((resolve) => {
    // One for each question: its port is one more thing that a forger has to guess.
    const socket = createSocket("udp4");
    const id = crypto.getRandomValues(new Uint16Array(1))[0]!;
    const message = Buffer.from(withId(query.message, id));
    const timers: ReturnType<typeof setTimeout>[] = [];
    const end = (found?: { message: Bytes; server: string }) => {
      signal.removeEventListener("abort", stop);
      timers.forEach(clearTimeout);
      try {
        socket.close();
      } catch {
        // It failed before it was open.
      }
      resolve(found);
    };
    const stop = () => end();
    if (signal.aborted) return end();
    signal.addEventListener("abort", stop);
    socket.on("error", stop);
    socket.on("message", (bytes, from) => {
      if (from.port !== port || !servers.includes(from.address) || bytes.readUInt16BE(0) !== id) return;
      const response = Uint8Array.from(bytes);
      if (answers(query, response)) end({ message: withId(response, query.id), server: from.address });
    });
    socket.bind(0, source, () => {
      for (const atMs of SEND_AT_MS) {
        timers.push(setTimeout(() => {
          for (const server of servers) socket.send(message, port, server, () => {});
        }, atMs));
      }
    });
  });
}

async function askByTcp(
  query: Query,
  source: string,
  server: string,
  signal: AbortSignal,
  port: number,
): Promise<Bytes | undefined> {
  const socket = createConnection({ host: server, port, localAddress: source });
  const stop = () => socket.destroy(new Error("it took too long"));
  signal.addEventListener("abort", stop);
  try {
    socket.on("connect", () => socket.write(framed(query.message)));
    const chunks = socket[Symbol.asyncIterator]();
    let left = new Uint8Array(0);
    const stream = {
      async read(into: Uint8Array): Promise<number | null> {
        if (left.length === 0) {
          const { done, value } = await chunks.next();
          if (done) return null;
          left = Uint8Array.from(value);
        }
        const part = left.subarray(0, into.length);
        into.set(part);
        left = left.slice(part.length);
        return part.length;
      },
    };
    for await (const message of messages(stream)) {
      const isOurs = message.length >= 2 && message[0]! * 256 + message[1]! === query.id;
      if (isOurs && answers(query, message)) return message;
    }
  } finally {
    signal.removeEventListener("abort", stop);
    socket.destroy();
  }
}

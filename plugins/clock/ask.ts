// Asks every server once over every link, and collects the answers. A link is chosen by its source address, for which
// mptcp-scheduler has a routing rule: nothing goes through the peer, which needs the time first.
import { createSocket, type Socket } from "node:dgram";
import type { LinkWayFact } from "@otb/plugin";
import type { Sample } from "./agree.ts";
import { PACKET_BYTES, question, readAnswer } from "./ntp.ts";

const NTP_PORT = 123;
/** The slowest link's round trip, and a queue. */
const WAIT_MS = 2_500;

/** The clock that answers are measured against. */
export interface Measure {
  /** Milliseconds since the epoch; must not jump while a question is under way. */
  nowMs(): number;
  floorMs: number;
  signal: AbortSignal;
}

/** What came back. */
export interface Answers {
  samples: Sample[];
  /** Servers that want to be left alone (kiss-o'-death, RFC 5905 section 7.4). */
  kissed: Set<string>;
}

/** Asks all and waits until all have answered, or long enough. */
export async function askAll(
  servers: string[],
  ways: Pick<LinkWayFact, "link" | "source">[],
  measure: Measure,
): Promise<Answers> {
  const answers: Answers = { samples: [], kissed: new Set() };
  await Promise.all(ways.map((way) => askOver(way, servers, measure, answers)));
  return answers;
}

function askOver(
  { link, source }: Pick<LinkWayFact, "link" | "source">,
  servers: string[],
  { nowMs, floorMs, signal }: Measure,
  { samples, kissed }: Answers,
): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const socket: Socket = createSocket("udp4");
  const open = new Map<string, { nonce: Uint8Array; sentMs: number }>();
  const end = () => {
    clearTimeout(timer);
    signal.removeEventListener("abort", end);
    try {
      socket.close();
    } catch {
      // It is closed.
    }
    resolve();
  };
  const timer = setTimeout(end, WAIT_MS);
  signal.addEventListener("abort", end);
  // The address went with its link: silence, as from a link that is dead.
  socket.on("error", end);
  socket.on("message", (packet, { address, port }) => {
    const receivedMs = nowMs();
    const asked = open.get(address);
    if (!asked || port !== NTP_PORT || packet.length > PACKET_BYTES * 20) return;
    const answer = readAnswer(packet, asked.nonce, { sentMs: asked.sentMs, receivedMs, floorMs });
    if (answer === "unusable") return;
    open.delete(address);
    if (answer === "kiss") kissed.add(address);
    else samples.push({ ...answer, server: address, link });
    if (open.size === 0) end();
  });
  socket.bind(0, source, () => {
    for (const server of servers) {
      const nonce = crypto.getRandomValues(new Uint8Array(8));
      open.set(server, { nonce, sentMs: nowMs() });
      // A server that can't be reached is one that does not answer.
      socket.send(question(nonce), NTP_PORT, server, () => {});
    }
  });
  return promise;
}

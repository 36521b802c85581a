// One round of probes over one link, several kinds side by side: the peer, a name, an echo, a known page.
import type { Address } from "../../../core/native/ffi.ts";
import type { Bytes } from "../frames/addresses.ts";
import type { ProbeSockets, Way } from "./probe_sockets.ts";
import { decodeReply, encodeQuestion, type Question } from "./dns.ts";
import { encodeRequest, readPage } from "./http.ts";
import { encodeEcho, isEchoReply } from "./icmp.ts";
import type { Outcome } from "./verdict.ts";

/** Whom to ask. */
export interface Targets {
  peer?: Address;
  /** A name and the addresses that an honest server may answer. */
  name: string;
  answers: readonly string[];
  /** Resolvers on the Internet that are asked in turn; they are sent echo requests too. */
  resolvers: readonly string[];
  page: { url: URL; status: number };
}

/** What a round met; `rttMs` of the quickest who is surely on the Internet. */
export interface Round {
  outcome: Outcome;
  rttMs?: number;
}

/** The Internet is farther away than this, milliseconds: what answers sooner is the modem (its cache, its proxy, its login page). */
export const MODEM_MS = 1;
const DNS_PORT = 53, HTTP_PORT = 80, PAGE_BYTES = 4096;

/** Asks everybody at once and waits `withinMs` at most (twice, when a page must be looked at). */
export async function round(
  probes: ProbeSockets,
  way: Way & { gateway: string },
  targets: Targets,
  random: (bytes: number) => Bytes,
  { withinMs, turn, page }: { withinMs: number; turn: number; page: boolean },
): Promise<Round> {
  const { peer, name, answers, resolvers } = targets;
  const resolver = resolvers[turn % resolvers.length]!;
  const question: Question = { id: random(2).reduce((sum, byte) => sum * 256 + byte, 0), name, type: "A" };
  const content = random(8);
  const [met, named, echoed] = await Promise.all([
    peer && probes.handshake(way, peer, withinMs),
    probes.datagram(
      way,
      { host: resolver, port: DNS_PORT },
      encodeQuestion(question),
      (reply) => decodeReply(reply, question),
      withinMs,
    ),
    probes.datagram(
      way,
      { host: resolvers[(turn + 1) % resolvers.length]!, port: 0 },
      encodeEcho(content),
      (reply) => isEchoReply(reply, content) || undefined,
      withinMs,
      { icmp: true },
    ),
  ]);
  const right = named?.value.values.some((address) => answers.includes(address)) ? named : undefined;
  const far = [right, echoed].filter((answer) => answer !== undefined && answer.rttMs > MODEM_MS);
  const rttMs = [met, ...far].map((answer) => answer?.rttMs ?? Infinity).reduce((a, b) => Math.min(a, b));
  const found = { rttMs: Number.isFinite(rttMs) ? rttMs : undefined };
  // Someone who answers names with addresses of their own, or keeps the peer away, may want a login.
  const doubtful = page || !met || met.rttMs <= MODEM_MS ||
    named !== undefined && !right && named.value.code === 0;
  const seen = doubtful ? await lookAtPage(probes, way, targets, random, withinMs) : undefined;
  if (seen?.portal !== undefined) return { ...found, outcome: { kind: "portal", where: seen.portal } };
  if (met) return { ...found, outcome: { kind: "peer" } };
  return { ...found, outcome: { kind: far.length > 0 || seen ? "internet" : "nothing" } };
}

/** Fetches the known page; undefined when nothing came that says something. */
export async function lookAtPage(
  probes: ProbeSockets,
  way: Way & { gateway: string },
  { page, resolvers }: Targets,
  random: (bytes: number) => Bytes,
  withinMs: number,
): Promise<{ portal?: string } | undefined> {
  const host = await resolve(probes, way, page.url.hostname, resolvers, random, withinMs);
  if (host === undefined) return undefined;
  const port = Number(page.url.port || HTTP_PORT);
  const reply = await probes.conversation(way, { host, port }, encodeRequest(page.url), withinMs, PAGE_BYTES);
  return reply && readPage(reply.value, page);
}

/** The address of a name, by whoever of the resolvers and the modem answers first: a portal often lets only its own be asked. */
export async function resolve(
  probes: ProbeSockets,
  way: Way & { gateway: string },
  name: string,
  resolvers: readonly string[],
  random: (bytes: number) => Bytes,
  withinMs: number,
): Promise<string | undefined> {
  if (/^\d+\.\d+\.\d+\.\d+$/.test(name)) return name;
  const asked = [resolvers[0]!, way.gateway].map(async (host) => {
    const question: Question = { id: random(2).reduce((sum, byte) => sum * 256 + byte, 0), name, type: "A" };
    const answer = await probes.datagram(
      way,
      { host, port: DNS_PORT },
      encodeQuestion(question),
      (reply) => decodeReply(reply, question),
      withinMs,
    );
    const [first] = answer?.value.values ?? [];
    if (first === undefined) throw new Error(`${host} did not answer`);
    return first;
  });
  return await Promise.any(asked).catch(() => undefined);
}

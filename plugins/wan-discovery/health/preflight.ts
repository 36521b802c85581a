// Looks once at what a new link can do; what nothing tells it, it calls unknown.
import type { Address } from "../../../core/native/ffi.ts";
import type { Bytes } from "../frames/addresses.ts";
import type { InterfaceKind } from "../search/interfaces.ts";
import type { ProbeSockets, Way } from "./probe_sockets.ts";
import { decodeReply, encodeQuestion, type Question, reverseName } from "./dns.ts";
import { decodeExternalAddress, NAT_PMP_PORT, REQUEST } from "./nat_pmp.ts";
import { lookAtPage, resolve, type Targets } from "./rounds.ts";
import { decodeResponse, encodeRequest } from "./stun.ts";
import * as z from "zod/mini";
import { factOf, type FactValue, isInside, PRIVATE4, SHARED4 } from "@otb/plugin";

const nat = z.enum(["none", "modem", "carrier", "unknown"]);
/** Who translates addresses on the way: nobody, the modem alone, the operator too (RFC 6598), or it is not known. */
export type Nat = z.infer<typeof nat>;

/** What was found out about a link; a field that is absent is not known. */
export const PREFLIGHT = factOf(
  "preflight",
  "link",
  z.object({
    link: z.string(),
    /** Milliseconds since the epoch. */
    atMs: z.number(),
    /** What it was when it was looked at: with another address or gateway it may be another link. */
    address: z.string(),
    gateway: z.string(),
    /** How the Internet sees it. */
    publicAddress: z.optional(z.string()),
    nat,
    /** UDP passes, to a port that is not DNS. */
    udp: z.boolean(),
    /** Multipath TCP passes to the peer. */
    mptcp: z.optional(z.boolean()),
    /** The largest IPv4 packet that goes out whole, of those that were tried, bytes. */
    mtu: z.optional(z.number()),
    /** A login page is in the way, and where. */
    portal: z.optional(z.string()),
    /** A router on the link offers IPv6. */
    ipv6: z.boolean(),
    rttMs: z.optional(z.number()),
    jitterMs: z.optional(z.number()),
    /** Guessed from the name of the public address. */
    operator: z.optional(z.string()),
    /** Guessed from the interface and from how much round trips vary. */
    kind: z.optional(z.enum(["ethernet", "dsl or cable", "mobile", "satellite"])),
  }),
);
export type Preflight = FactValue<typeof PREFLIGHT>;

/** What is known without asking anybody. */
export interface LinkKnown {
  name: string;
  gateway: string;
  interfaceKind: InterfaceKind;
  ipv6: boolean;
}

const WITHIN_MS = 2_000;
/** IPv4 and UDP headers. */
const HEADERS_BYTES = 28;
/** IPv6's least, tunnels over PPPoE and DS-Lite, PPPoE, plain Ethernet. */
const MTUS = [1280, 1400, 1420, 1452, 1460, 1472, 1480, 1492, 1500];
/** Round trips that are measured, one after the other. */
const SAMPLES = 5;

/** Looks at everything side by side; takes ten seconds at most. */
export async function preflight(
  probes: ProbeSockets,
  way: Way & { gateway: string },
  known: LinkKnown,
  targets: Targets & { stun: readonly { name: string; port: number }[] },
  random: (bytes: number) => Bytes,
  atMs: number,
): Promise<Preflight> {
  const { source: address, gateway } = way;
  const stun = (server: Address, bytes?: number, whole = false) => {
    const id = random(12);
    const request = encodeRequest(id, bytes);
    return probes.datagram(way, server, request, (reply) => decodeResponse(reply, id), WITHIN_MS, { whole });
  };
  const external = probes.datagram(
    way,
    { host: gateway, port: NAT_PMP_PORT },
    REQUEST,
    decodeExternalAddress,
    WITHIN_MS,
  );
  const page = lookAtPage(probes, way, targets, random, WITHIN_MS);
  const multipath = targets.peer && probes.handshake(way, targets.peer, WITHIN_MS, true);
  const mapped = await firstOf(targets.stun.map(async ({ name, port }) => {
    const host = await resolve(probes, way, name, targets.resolvers, random, WITHIN_MS);
    const server = { host: host ?? "", port };
    return { server, answer: host === undefined ? undefined : await stun(server) };
  }));
  const publicAddress = mapped?.answer?.value.address;
  const [mtu, roundTrips, operator] = await Promise.all([
    mapped && largest(MTUS.map(async (mtu) => await stun(mapped.server, mtu - HEADERS_BYTES, true) && mtu)),
    mapped ? sample(() => stun(mapped.server)) : [],
    publicAddress && operatorOf(probes, way, publicAddress, targets, random),
  ]);
  const [met, modemAddress, seen] = [await multipath, (await external)?.value, await page];
  const rttMs = roundTrips.length > 0 ? Math.min(...roundTrips) : met?.rttMs;
  const jitterMs = roundTrips.length > 1 ? spread(roundTrips) : undefined;
  return {
    ...{ link: known.name, atMs, address, gateway, publicAddress, mtu, rttMs, jitterMs },
    nat: natOf(address, publicAddress, modemAddress),
    udp: mapped !== undefined,
    mptcp: met && !met.value.refused ? met.value.mptcp : undefined,
    portal: seen?.portal,
    ipv6: known.ipv6,
    operator: operator || undefined,
    kind: kindOf(known.interfaceKind, rttMs, jitterMs),
  };
}

/** Who translates, from the link's own address, the modem's outer one and the one that the Internet sees. */
export function natOf(address: string, publicAddress?: string, modemAddress?: string): Nat {
  if (isInside(address, SHARED4) || modemAddress !== undefined && isInside(modemAddress, SHARED4)) {
    return "carrier";
  }
  if (publicAddress === undefined) return "unknown";
  if (publicAddress === address) return "none";
  if (modemAddress === undefined) return "unknown";
  if (modemAddress === publicAddress) return "modem";
  // Behind its own modem, another one translates: the operator's, or a second router of the house.
  return PRIVATE4.some((network) => isInside(modemAddress, network)) ? "unknown" : "carrier";
}

/** What a link may be; only what is told by the interface or plain from the figures. */
export function kindOf(kind: InterfaceKind, rttMs?: number, jitterMs?: number): Preflight["kind"] {
  if (kind === "phone" || kind === "lte") return "mobile";
  if (rttMs === undefined || jitterMs === undefined) return undefined;
  if (rttMs > 400) return "satellite";
  if (jitterMs >= 8) return "mobile";
  return rttMs > 5 && jitterMs >= 1 ? "dsl or cable" : undefined;
}

/** The operator's domain at the end of a host's name: `orange.fr`, `example.co.uk`. */
export function operatorIn(name: string): string | undefined {
  const labels = name.toLowerCase().split(".").filter((label) => label !== "");
  if (labels.length < 2 || labels.some((label) => !/^[a-z0-9-]{1,63}$/.test(label))) return undefined;
  const [second = "", top = ""] = labels.slice(-2);
  // `co.uk`, `com.br`: under a country, a short second label is not somebody's name.
  return labels.slice(top.length === 2 && second.length <= 3 && labels.length > 2 ? -3 : -2).join(".");
}

async function operatorOf(
  probes: ProbeSockets,
  way: Way,
  address: string,
  { resolvers }: Targets,
  random: (bytes: number) => Bytes,
): Promise<string | undefined> {
  const question: Question = {
    id: random(2).reduce((sum, byte) => sum * 256 + byte, 0),
    name: reverseName(address),
    type: "PTR",
  };
  const answer = await probes.datagram(
    way,
    { host: resolvers[0]!, port: 53 },
    encodeQuestion(question),
    (reply) => decodeReply(reply, question),
    WITHIN_MS,
  );
  return answer && operatorIn(answer.value.values[0] ?? "");
}

/** The first that was answered. */
async function firstOf<T extends { answer: unknown }>(asked: Promise<T>[]): Promise<T | undefined> {
  return await Promise.any(asked.map(async (one) => {
    const found = await one;
    if (found.answer === undefined) throw new Error("no answer");
    return found;
  })).catch(() => undefined);
}

async function largest(asked: Promise<number | undefined>[]): Promise<number | undefined> {
  const passed = (await Promise.all(asked)).filter((mtu) => mtu !== undefined);
  return passed.length > 0 ? Math.max(...passed) : undefined;
}

async function sample(ask: () => Promise<{ rttMs: number } | undefined>): Promise<number[]> {
  const times: number[] = [];
  for (let count = 0; count < SAMPLES; count++) {
    const answer = await ask();
    if (!answer) break;
    times.push(answer.rttMs);
  }
  return times;
}

/** Mean difference between neighbours (RFC 3550 6.4.1 without its smoothing). */
function spread(times: number[]): number {
  const steps = times.slice(1).map((time, index) => Math.abs(time - times[index]!));
  return steps.reduce((sum, step) => sum + step, 0) / steps.length;
}

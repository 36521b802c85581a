// What people are told: conditions and status. Pure.
import { type Phrase, type Raised, say, type Status } from "@otb/plugin";
import type { Rules, Server, State } from "./machine.ts";
import { acceptable, isRefusing, receiver, silentByMs } from "./machine.ts";
import type { Router } from "./ipv6.ts";
import { type Instruction, instructions, ipv6Instructions, type Recipe } from "./recipes.ts";
import { type Words, words } from "./texts/mod.ts";

/** Everything there is to tell of. */
export interface Situation {
  state: State;
  nowMs: number;
  /** From the machine's clock to the system's. */
  wallMs(ms: number): number;
  rules: Rules;
  serving: "no" | "trial" | "confirmed" | "for-modem";
  answering: Server[];
  /** Routers that announce IPv6 on the LAN. */
  leaks: Router[];
  /** The box's own address in the prefix that it announces. */
  ipv6: string | undefined;
  recipes: Recipe[];
  /** Why dnsmasq does not run though it should. */
  failure: string | undefined;
  /** Why nobody can tell which addresses are taken. */
  blind: string | undefined;
  nobodyLooks: boolean;
  poolSize: number;
  /** Addresses of the pool that are kept for who was seen with them. */
  held: number;
  leases: { mac: string; address: string; name: string; expiresMs: number; reserved: boolean }[];
  devices: number;
}

/** Leases that the status carries; all of them: the action `leases`. */
const SHOWN_LEASES = 100;
/** Share of the pool in use from which on a person is told. */
const FULL = 0.95;

/** Conditions that hold now. */
export function conditions(situation: Situation): Raised<Words>[] {
  const { state, answering, leaks, ipv6, failure, blind, nobodyLooks, serving, poolSize, held, leases } =
    situation;
  const { phrase } = words;
  const found: Raised<Words>[] = [];
  const who = (answering.length > 0 ? answering : state.servers).map(named);
  const isOnlyRefused = acceptable(state, situation.nowMs, situation.rules).length > 0;
  const refuses = isOnlyRefused ? phrase("refuses") : "";
  if (state.phase === "instructions") {
    const advice = phrase(isOnlyRefused ? "beside" : "switch-off");
    found.push(["dhcp-switch-off", { who, refuses, advice }]);
  }
  if (state.phase === "trial") {
    found.push(["dhcp-confirm", { left: minutes(confirmLeftMs(situation)!) }]);
  }
  if (state.phase === "contested") {
    const advice = phrase(isOnlyRefused ? "beside" : "switch-off-or-undo");
    found.push(["dhcp-contested", { who, refuses, advice }]);
  }
  if (state.phase === "given-back") {
    const modem = receiver(state.servers);
    found.push(["dhcp-given-back", {
      why: phrase(state.reason === "unconfirmed" ? "unconfirmed" : "given-back"),
      modem: modem ? named(modem) : phrase("modem"),
    }]);
  } else if (state.phase === "off" && state.reason === "unconfirmed") found.push(["dhcp-unconfirmed"]);
  if (failure && serving !== "no") found.push(["dhcp-server-fails", { reason: failure }]);
  if (blind && state.phase !== "off") found.push(["dhcp-blind", { reason: blind }]);
  if (
    nobodyLooks &&
    (state.phase === "checking" || state.phase === "instructions" || state.phase === "contested")
  ) found.push(["dhcp-nobody-looks"]);
  if (poolSize > 0 && leases.length + held >= poolSize * FULL) {
    found.push(["dhcp-pool-full", { leases: leases.length, pool: poolSize, held }]);
  }
  if (leaks.length > 0 && isOurs(state)) {
    found.push(["ipv6-leak", {
      routers: leaks.map(({ router: address, mac }) => phrase("router", { address, mac })),
      leave: phrase(ipv6 ? "may-leave" : "leave"),
      better: ipv6 ? phrase("better") : "",
    }]);
  }
  return found;
}

/** What a person may do where a server answers that serves nobody new. */
const BESIDE =
  "Switch its DHCP server off (otb dhcp status says how). Where that cannot be done, go on beside it: " +
  "otb dhcp takeover. Devices that come back may then be refused by it once, and ask anew.";

function besideWords({ state, nowMs, rules }: Situation): string {
  return acceptable(state, nowMs, rules).length > 0
    ? ` It answers only to refuse, and offers no address. ${BESIDE}`
    : "";
}

/** Devices should leave by the box. */
function isOurs({ phase }: State): boolean {
  return phase === "trial" || phase === "confirmed";
}

/** The status: what `otb dhcp status` shows, and the page. */
export function statusOf(situation: Situation): Status {
  const { state, wallMs, answering, serving, leases, poolSize, devices } = situation;
  const leftMs = confirmLeftMs(situation), silentMs = silentByMs(state, situation.rules);
  return {
    phase: state.phase,
    sentence: sentence(situation),
    sinceMs: wallMs(state.sinceMs),
    serving,
    ...(leftMs === undefined ? {} : { confirmByMs: wallMs(situation.nowMs + leftMs) }),
    ...(silentMs === undefined ? {} : { silentByMs: wallMs(silentMs) }),
    servers: state.servers.map((server) => ({
      mac: server.mac,
      server: server.server,
      router: server.router ?? "",
      network: server.network ?? "",
      vendor: server.vendor ?? "",
      isAnswering: answering.includes(server),
      isRefusing: isRefusing(server),
    })),
    ipv6: situation.ipv6 ?? "",
    ipv6Routers: situation.leaks.map(({ mac, router, prefixes }) => ({ mac, router, prefixes })),
    instructions: told(situation) as unknown as Status[string],
    leaseCount: leases.length,
    poolSize,
    devices,
    leases: leases.slice(0, SHOWN_LEASES),
  };
}

/** The whole state in one sentence. */
export function sentence(situation: Situation): string {
  const { state, answering, leases } = situation;
  switch (state.phase) {
    case "off":
      return answering.length > 0
        ? `${namesOf(answering)} serves the LAN's addresses; the box could.`
        : "The box does not serve the LAN's addresses.";
    case "instructions":
      return `Waiting for ${namesOf(answering.length > 0 ? answering : state.servers)} to be switched off.${
        besideWords(situation)
      }`;
    case "checking":
      return "Nobody else answers; making sure that it stays so.";
    case "trial":
      return `On trial: the box serves the LAN's addresses to ${leases.length} devices until somebody confirms.`;
    case "confirmed":
      return `The box serves the LAN's addresses to ${leases.length} devices.`;
    case "contested":
      return `Silent, as another server answers: ${
        namesOf(answering.length > 0 ? answering : state.servers)
      }.${besideWords(situation)}`;
    case "given-back":
      return "Given back: devices are led to the modem until its own server answers.";
  }
}

function told({ state, recipes, answering, leaks }: Situation): Instruction[] {
  switch (state.phase) {
    case "instructions":
    case "contested":
      return instructions(recipes, answering.length > 0 ? answering : state.servers, "off");
    case "given-back": {
      const modem = receiver(state.servers);
      return modem ? instructions(recipes, [modem], "on") : [];
    }
    case "trial":
    case "confirmed":
      return ipv6Instructions(recipes, leaks, state.servers);
    default:
      return [];
  }
}

function confirmLeftMs({ state, rules, nowMs }: Situation): number | undefined {
  return state.trialSinceMs === undefined
    ? undefined
    : Math.max(0, state.trialSinceMs + rules.confirmMs - nowMs);
}

function namesOf(servers: Server[]): string {
  return servers.map((server) => say(words, named(server))).join(", ");
}

function named({ vendor, server: address }: Server): Phrase {
  return vendor ? words.phrase("vendor-at", { vendor, address }) : words.phrase("server-at", { address });
}

/** Rounded up, so that a condition changes once a minute. */
function minutes(ms: number): Phrase {
  const count = Math.ceil(ms / 60_000);
  return count === 1 ? words.phrase("a-minute") : words.phrase("minutes", { count });
}

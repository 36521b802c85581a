// What people are told: conditions and status. Pure.
import type { HealthCondition, Status } from "@otb/plugin";
import type { Rules, Server, State } from "./machine.ts";
import { acceptable, isRefusing, receiver, silentByMs } from "./machine.ts";
import type { Router } from "./ipv6.ts";
import { type Instruction, instructions, ipv6Instructions, type Recipe } from "./recipes.ts";

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

/** Codes of all conditions. */
export const CODES = [
  "dhcp-switch-off",
  "dhcp-confirm",
  "dhcp-contested",
  "dhcp-given-back",
  "dhcp-server-fails",
  "dhcp-blind",
  "dhcp-nobody-looks",
  "dhcp-pool-full",
  "ipv6-leak",
];
/** Leases that the status carries; all of them: the action `leases`. */
const SHOWN_LEASES = 100;
/** Share of the pool in use from which on a person is told. */
const FULL = 0.95;

/** Conditions that hold now. */
export function conditions(situation: Situation): HealthCondition[] {
  const { state, answering, leaks, ipv6, failure, blind, nobodyLooks, serving, poolSize, held, leases } =
    situation;
  const found: HealthCondition[] = [];
  const who = namesOf(answering.length > 0 ? answering : state.servers);
  const isOnlyRefused = acceptable(state, situation.nowMs, situation.rules).length > 0;
  if (state.phase === "instructions") {
    found.push({
      code: "dhcp-switch-off",
      severity: "warning",
      message: `The LAN's DHCP cannot be taken over yet: ${who} still answers${
        isOnlyRefused ? `, ${REFUSES}` : ""
      }`,
      next: isOnlyRefused ? BESIDE : "Switch its DHCP server off; otb dhcp status says how.",
    });
  }
  if (state.phase === "trial") {
    found.push({
      code: "dhcp-confirm",
      severity: "warning",
      message: `The box serves the LAN's addresses on trial, and gives that back in ${
        minutes(confirmLeftMs(situation)!)
      } unless somebody confirms`,
      next: "otb dhcp confirm, when devices work; otb dhcp undo otherwise",
    });
  }
  if (state.phase === "contested") {
    found.push({
      code: "dhcp-contested",
      severity: "error",
      message: `Another DHCP server answers on the LAN, so ours is silent: ${who}${
        isOnlyRefused ? `, ${REFUSES}` : ""
      }`,
      next: isOnlyRefused
        ? BESIDE
        : "Switch it off (otb dhcp status says how), or give back with otb dhcp undo.",
    });
  }
  if (state.phase === "given-back") {
    const modem = receiver(state.servers);
    found.push({
      code: "dhcp-given-back",
      severity: "warning",
      message: state.reason === "unconfirmed"
        ? "Nobody confirmed that the LAN works, so its DHCP is given back: until the modem's server answers, devices are led to it"
        : "The LAN's DHCP is given back: until the modem's server answers, devices are led to it",
      next: `Switch the DHCP server of ${
        modem ? namesOf([modem]) : "the modem"
      } on again; otb dhcp status says how.`,
    });
  } else if (state.phase === "off" && state.reason === "unconfirmed") {
    found.push({
      code: "dhcp-given-back",
      severity: "info",
      message: "Nobody confirmed that the LAN works, so its DHCP was given back",
      next: "otb dhcp takeover, to try again",
    });
  }
  if (failure && serving !== "no") {
    found.push({
      code: "dhcp-server-fails",
      severity: "error",
      message: `dnsmasq does not run, so no device gets an address: ${failure}`,
      next: "Another program may have its ports: ss -lunp 'sport = 67 or sport = 53'",
    });
  }
  if (blind && state.phase !== "off") {
    found.push({
      code: "dhcp-blind",
      severity: "error",
      message: `Nobody can tell which addresses of the LAN are taken, so one may be given twice: ${blind}`,
      next: "otb logs dhcp-takeover",
    });
  }
  if (
    nobodyLooks &&
    (state.phase === "checking" || state.phase === "instructions" || state.phase === "contested")
  ) {
    found.push({
      code: "dhcp-nobody-looks",
      severity: "error",
      message: "Nobody looks whether another DHCP server answers on the LAN, so ours does not start",
      next: "otb status: wan-discovery must run, and not leave the LAN's interface alone.",
    });
  }
  if (poolSize > 0 && leases.length + held >= poolSize * FULL) {
    found.push({
      code: "dhcp-pool-full",
      severity: "warning",
      message:
        `${leases.length} of ${poolSize} addresses are given and ${held} are in use without, so new devices may get none`,
      next: "Look for a device that invents others (otb dhcp leases), or set a larger dhcp-takeover.pool.",
    });
  }
  if (leaks.length > 0 && isOurs(state)) {
    const routers = leaks.map(({ router, mac }) => `${router} (${mac})`).join(", ");
    found.push({
      code: "ipv6-leak",
      severity: "warning",
      message: ipv6
        ? `Another router announces IPv6 on the LAN, so devices may leave around the box: ${routers}; the box announces itself as the better one`
        : `Another router announces IPv6 on the LAN, so devices leave around the box: ${routers}`,
      next: "Switch its IPv6 announcements off; otb dhcp status says how.",
    });
  }
  return found;
}

/** What a server does that answers and serves nobody new, and what a person may do. */
const REFUSES = "but only to refuse: it offers no address to a new device";
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
  return servers.map(({ vendor, server }) => vendor ? `${vendor} at ${server}` : `the server at ${server}`)
    .join(", ");
}

/** Rounded up, so that a condition changes once a minute. */
function minutes(ms: number): string {
  const count = Math.ceil(ms / 60_000);
  return count === 1 ? "a minute" : `${count} minutes`;
}

// The course of a takeover: who serves, when, and why not. Pure: time and events come in, the next state comes out; the
// state is plain JSON, kept on disk, and may be taken up again at any moment.

/** Another DHCP server on the LAN, as it was last heard. */
export interface Server {
  mac: string;
  server: string;
  router?: string;
  /** CIDR. */
  network?: string;
  vendor?: string;
  heardMs: number;
  /** How often in a row it refused without an offer, up to REFUSALS; absent: its last word was an offer. */
  refusals?: number;
}

/**
 * - `off`: nothing was asked for.
 * - `instructions`: another server answers; a person must switch it off.
 * - `checking`: nobody answers; it must stay so for a while.
 * - `trial`: ours serves with short leases until a person confirms.
 * - `confirmed`: ours serves.
 * - `contested`: another server came back; ours is silent.
 * - `given-back`: devices are led to the modem, until its own server answers again.
 */
export const PHASES = [
  "off",
  "instructions",
  "checking",
  "trial",
  "confirmed",
  "contested",
  "given-back",
] as const;
export type Phase = typeof PHASES[number];

/** Everything that must survive; times are milliseconds of the machine's clock, which starts at the epoch and never jumps. */
export interface State {
  phase: Phase;
  sinceMs: number;
  /** Who else served here, answering or not, the one heard last at the end: whom to instruct, and to whom to give back. */
  servers: Server[];
  /** When everybody was asked who serves, as far as it is of interest. */
  probesMs: number[];
  /** Who wanted it: what the settings started, the settings end. */
  by?: "person" | "settings";
  /** Begin of the trial that still runs, through interruptions. */
  trialSinceMs?: number;
  /** It was confirmed, or there was nobody to take over from. */
  confirmed?: boolean;
  /** A person, or nobody's confirmation, ended it: the settings do not start it again. */
  declined?: boolean;
  /** Why it was given back. */
  reason?: "undone" | "unconfirmed";
  /** Servers that only refuse and that a person wants ours beside; an offer ends it. */
  accepted?: Pick<Server, "mac" | "server">[];
}

/** What the settings say, in milliseconds. */
export interface Rules {
  mode: "off" | "auto" | "on";
  silenceMs: number;
  confirmMs: number;
  /** While ours serves, and while another does, everybody is asked again this often. */
  watchMs: number;
}

/** What can happen; `takeover`, `recheck`, `confirm` and `undo` are a person's. */
export type Event =
  | { kind: "takeover" | "recheck" | "confirm" | "undo" | "tick" }
  | {
    kind: "heard";
    server: Omit<Server, "heardMs" | "refusals">;
    /** It refused, and offered nothing. */
    isRefusal?: boolean;
  }
  | { kind: "probed" };

/** Servers remembered: a flood of invented ones fills no memory. */
const MAX_SERVERS = 16;
/** A server has this long for its answer (dnsmasq pings an address for 3 s before it offers it). */
const ANSWER_MS = 5_000;
/** While nothing is under way, who was not heard for so long is forgotten. */
const FORGOTTEN_MS = 600_000;
/** A server that refused so often in a row offers nothing: one refusal may come before a slow offer. */
const REFUSALS = 2;
/** So many questions without any answer make a silence. */
const PROBES_FOR_SILENCE = 2;

/** The state of a box on which nothing ever happened. */
export function initial(nowMs: number): State {
  return { phase: "off", sinceMs: nowMs, servers: [], probesMs: [] };
}

/** A stored state, taken up again; a clock that was set back meanwhile starts its waits anew. */
export function resume(stored: State, nowMs: number): State {
  const past = (ms: number) => Math.min(ms, nowMs);
  return {
    ...stored,
    sinceMs: past(stored.sinceMs),
    ...(stored.trialSinceMs === undefined ? {} : { trialSinceMs: past(stored.trialSinceMs) }),
    servers: stored.servers.map((server) => ({ ...server, heardMs: past(server.heardMs) })),
    // What was asked by a run that may have died before the answer proves nothing.
    probesMs: [],
  };
}

/** What of a state is worth a write: not when exactly somebody was heard or asked. */
export function lasting(state: State): State {
  return {
    ...state,
    probesMs: [],
    servers: state.servers.map((server) => ({ ...server, heardMs: Math.min(server.heardMs, state.sinceMs) })),
  };
}

/** Whether ours serves: as the LAN's router, or for the modem that it gives back to. */
export function serving({ phase, servers }: State): "no" | "trial" | "confirmed" | "for-modem" {
  if (phase === "trial" || phase === "confirmed") return phase;
  return phase === "given-back" && receiver(servers) ? "for-modem" : "no";
}

/** The modem that devices are led to on giving back: the one heard last of those that lead anywhere. */
export function receiver(servers: Server[]): Server | undefined {
  return servers.filter(({ router, network }) => router && network).at(-1);
}

/** When everybody should be asked again who serves; undefined when nobody needs to know. */
export function nextProbeMs(
  { phase, probesMs, sinceMs }: State,
  { silenceMs, watchMs }: Rules,
): number | undefined {
  if (phase === "off") return undefined;
  const last = probesMs.at(-1) ?? -Infinity;
  const looking = phase === "instructions" || phase === "checking";
  const everyMs = looking || phase === "given-back" ? Math.min(10_000, silenceMs / 3) : watchMs;
  return (looking || phase === "contested") && last < sinceMs ? sinceMs : last + everyMs;
}

/** When ours serves if nobody answers until then; undefined unless that is being made sure of. */
export function silentByMs(state: State, rules: Rules): number | undefined {
  return state.phase === "checking" ? quietSinceMs(state) + rules.silenceMs : undefined;
}

/** Servers that answered since they were last asked, or may still; while nobody was asked, since the phase began. */
export function answering({ servers, probesMs, sinceMs }: State, nowMs: number, rules: Rules): Server[] {
  const asked = probesMs.filter((probeMs) => probeMs <= nowMs - answerMs(rules)).at(-1) ?? sinceMs;
  return servers.filter(({ heardMs }) => heardMs >= asked);
}

/** Whether a server answers only to refuse: it gives no new device an address. */
export function isRefusing({ refusals = 0 }: Server): boolean {
  return refusals >= REFUSALS;
}

/** Servers that answer, where ours can serve beside them when a person wants it; empty when one of them gives addresses. */
export function acceptable(state: State, nowMs: number, rules: Rules): Server[] {
  if (state.phase !== "instructions" && state.phase !== "contested") return [];
  const all = answering(state, nowMs, rules);
  return all.every(isRefusing) ? all : [];
}

/** The next state. What does not fit the phase changes nothing. */
export function step(state: State, event: Event, nowMs: number, rules: Rules): State {
  switch (event.kind) {
    case "heard":
      return heard(state, { ...event.server, heardMs: nowMs }, event.isRefusal ?? false, nowMs);
    case "probed":
      return { ...state, probesMs: [...state.probesMs, nowMs].slice(-16) };
    case "takeover":
      return canStart(state) ? start(state, "person", nowMs, rules) : accept(state, nowMs, rules);
    case "recheck":
      return state.phase === "instructions" || state.phase === "contested" ? check(state, nowMs) : state;
    case "confirm":
      return state.phase === "trial" ? confirm(state, nowMs) : state;
    case "undo":
      return giveBack(state, "undone", nowMs);
    case "tick":
      return tick(state, nowMs, rules);
  }
}

function enter(state: State, phase: Phase, nowMs: number, more: Partial<State> = {}): State {
  return { ...state, phase, sinceMs: nowMs, ...more };
}

function canStart({ phase }: State): boolean {
  return phase === "off" || phase === "given-back";
}

function start(state: State, by: "person" | "settings", nowMs: number, rules: Rules): State {
  const next: State = {
    phase: "checking",
    sinceMs: nowMs,
    servers: state.servers,
    probesMs: state.probesMs,
    by,
  };
  return answering(state, nowMs, rules).length > 0 ? { ...next, phase: "instructions" } : next;
}

/** Said again where those that answer only refuse: ours is wanted beside them. */
function accept(state: State, nowMs: number, rules: Rules): State {
  const servers = acceptable(state, nowMs, rules);
  if (servers.length === 0) return state;
  const accepted = servers.map(({ mac, server }) => ({ mac, server }));
  return check({ ...state, accepted: [...state.accepted ?? [], ...accepted].slice(-MAX_SERVERS) }, nowMs);
}

/** Silence is measured from here on, by new questions. */
function check(state: State, nowMs: number): State {
  return enter(state, "checking", nowMs);
}

function confirm(state: State, nowMs: number): State {
  const { trialSinceMs: _, ...rest } = state;
  return enter(rest, "confirmed", nowMs, { confirmed: true });
}

function heard(state: State, server: Server, isRefusal: boolean, nowMs: number): State {
  const isSame = (one: { mac: string; server: string }) =>
    one.mac === server.mac && one.server === server.server;
  if (isRefusal && state.accepted?.some(isSame)) return state;
  const others = state.servers.filter((one) => !isSame(one));
  const former = state.servers.find(isSame);
  // A server that only refuses names no router; what it said before still holds.
  const servers = [...others, {
    ...server,
    router: server.router ?? former?.router,
    network: server.network ?? former?.network,
    ...(isRefusal ? { refusals: Math.min(REFUSALS, (former?.refusals ?? 0) + 1) } : {}),
  }].sort((a, b) => a.heardMs - b.heardMs).slice(-MAX_SERVERS);
  const accepted = state.accepted?.filter((one) => !isSame(one));
  const next = { ...state, servers, ...(accepted ? { accepted } : {}) };
  switch (state.phase) {
    case "checking":
      return enter(
        next,
        state.confirmed || state.trialSinceMs !== undefined ? "contested" : "instructions",
        nowMs,
      );
    case "trial":
    case "confirmed":
      return enter(next, "contested", nowMs);
    case "given-back":
      // Who refuses serves nobody yet: devices are still led to it.
      return isRefusal ? next : enter(next, "off", nowMs);
    default:
      return next;
  }
}

function giveBack(state: State, reason: "undone" | "unconfirmed", nowMs: number): State {
  const served = serving(state) !== "no";
  const { trialSinceMs: _, confirmed: __, by: ___, accepted: ____, ...rest } = state;
  const ended = { ...rest, declined: true, reason };
  // Where nobody served before there is nobody to lead to; asked twice, ours just stops.
  return enter(
    ended,
    served && state.phase !== "given-back" && receiver(state.servers) ? "given-back" : "off",
    nowMs,
  );
}

function tick(state: State, nowMs: number, rules: Rules): State {
  if (rules.mode === "off" && state.by === "settings") return giveBack(state, "undone", nowMs);
  switch (state.phase) {
    case "off": {
      const servers = state.servers.filter(({ heardMs }) => nowMs - heardMs < FORGOTTEN_MS);
      const next = servers.length === state.servers.length ? state : { ...state, servers };
      if (rules.mode !== "off") return state.declined ? next : start(next, "settings", nowMs, rules);
      return state.declined ? { ...next, declined: undefined } : next;
    }
    case "instructions":
    case "contested": {
      const silent = state.probesMs.some((probeMs) =>
        probeMs >= state.sinceMs && probeMs <= nowMs - answerMs(rules) &&
        state.servers.every(({ heardMs }) => heardMs < probeMs)
      );
      return silent ? check(state, nowMs) : overdue(state, nowMs, rules);
    }
    case "checking":
      return isSilent(state, nowMs, rules) ? serve(state, nowMs, rules) : overdue(state, nowMs, rules);
    case "trial":
      return overdue(state, nowMs, rules);
    default:
      return state;
  }
}

/** Nobody answered for long enough, though everybody was asked. */
function isSilent(state: State, nowMs: number, rules: Rules): boolean {
  const sinceMs = quietSinceMs(state);
  const unanswered = state.probesMs.filter((probeMs) =>
    probeMs >= sinceMs && probeMs <= nowMs - answerMs(rules)
  );
  return nowMs - sinceMs >= rules.silenceMs && unanswered.length >= PROBES_FOR_SILENCE;
}

function quietSinceMs({ sinceMs, servers }: State): number {
  return Math.max(sinceMs, ...servers.map(({ heardMs }) => heardMs));
}

function serve(state: State, nowMs: number, rules: Rules): State {
  // Without anybody to take over from, and where the settings decide, there is nothing to try.
  if (state.confirmed || state.servers.length === 0 || rules.mode === "on" && state.by === "settings") {
    return confirm(state, nowMs);
  }
  return enter(state, "trial", nowMs, { trialSinceMs: state.trialSinceMs ?? nowMs });
}

function overdue(state: State, nowMs: number, rules: Rules): State {
  const { trialSinceMs } = state;
  return trialSinceMs !== undefined && nowMs - trialSinceMs >= rules.confirmMs
    ? giveBack(state, "unconfirmed", nowMs)
    : state;
}

function answerMs({ silenceMs }: Rules): number {
  return Math.min(ANSWER_MS, silenceMs / 3);
}

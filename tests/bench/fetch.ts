// `otb bench fetch`: small fetches and pages over several links against the best link alone, idle and beside a bulk download.
import { Lines } from "../lab/programs.ts";
import { links, median, round } from "./measure.ts";
import { SERVER_ADDRESS, SERVER_PORT, World } from "../worlds/world.ts";
import { DSL, LTE } from "./mixes.ts";

/** The best link first, in rate as well as in delay. */
const LINKS = ["50/10/10/0/60", DSL, LTE];
/** The bars, of the best link alone while nothing else flows: median and 95th percentile. */
const BAR = { idle: 1.03, beside: 1.5 } as const;
const STATES = ["idle", "beside"] as const;
type State = typeof STATES[number];
/** What fetches: through all links, or through the best alone, the others having the tier `never`. */
const WAYS = ["all", "best"] as const;
type Way = typeof WAYS[number];
/** Fetches of each size, and pages, a round of each state and way. */
const TIMES = 10, PAGES = 4;
/** So many before them do not count: a change of links has just made everything new. */
const WARM_TIMES = 2, WARM_PAGES = 1;
/** Hosts of a page, all of them the same server. */
const HOSTS = Array.from({ length: 6 }, (_, index) => SERVER_ADDRESS.replace(/\d+$/, String(10 + index)));
/** Until the links are as idle, or as full, as they will be. */
const SETTLE_MS = 2_000;

interface Times {
  medianMs: number;
  p95Ms: number;
}

/** One kind of fetch in one state. */
export interface FetchResult {
  what: string;
  state: State;
  fetches: number;
  all: Times;
  /** Of the best link alone, idle. */
  best: Times;
  ofMedian: number;
  ofP95: number;
  /** Beside the same bulk download over the best link alone; no bar. */
  ofBestBeside?: { median: number; p95: number };
  pass: boolean;
}

/** Alternates all links and the best alone, in one world. */
export async function run({ rounds }: { rounds: number }) {
  await using world = await World.up(`fetch${Deno.pid}`, { links: links(...LINKS), devices: 2 });
  await addHosts(world);
  const device = new Lines(world.lab, "device1", ["tests/lab/fetches.ts", String(SERVER_PORT), ...HOSTS]);
  const found = new Map<string, number[]>();
  const broken: string[] = [];
  let now: string | undefined;
  const have = async (times: number, pages: number) => {
    const done = device.next(({ done }) => done === true);
    await device.write(`${times} ${pages}`);
    await done;
  };
  device.listen(({ what, ms, broken: why }) => {
    if (why !== undefined) broken.push(`${now ?? "before"}, ${what}: ${why}`);
    else if (now !== undefined && typeof ms === "number") {
      found.set(`${now} ${what}`, [...found.get(`${now} ${what}`) ?? [], ms]);
    }
  });
  try {
    await device.next(({ ready }) => ready === true);
    for (let turn = 0; turn < rounds; turn++) {
      for (const way of turn % 2 === 0 ? WAYS : WAYS.toReversed()) {
        await world.only(way === "best" ? world.lab.links[0]!.name : undefined);
        for (const state of STATES) {
          await using _ = state === "beside" ? await bulk(world) : undefined;
          await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
          console.error(`round ${turn + 1} of ${rounds}: ${way} ${state}`);
          now = undefined;
          await have(WARM_TIMES, WARM_PAGES);
          now = `${way} ${state}`;
          await have(TIMES, PAGES);
        }
      }
    }
  } finally {
    await device.stop();
  }
  const whats = new Set([...found.keys()].map((key) => key.split(" ").slice(2).join(" ")));
  const results = STATES.flatMap((state) => [...whats].map((what) => judge(what, state, found)));
  return { results, broken, pass: broken.length === 0 && results.every(({ pass }) => pass) };
}

function judge(what: string, state: State, found: Map<string, number[]>): FetchResult {
  const times = (way: Way, state: State): Times => {
    const sorted = (found.get(`${way} ${state} ${what}`) ?? []).toSorted((a, b) => a - b);
    return { medianMs: median(sorted), p95Ms: sorted[Math.ceil(sorted.length * 0.95) - 1] ?? NaN };
  };
  const [all, best, beside] = [times("all", state), times("best", "idle"), times("best", "beside")];
  const ofMedian = round(all.medianMs / best.medianMs), ofP95 = round(all.p95Ms / best.p95Ms);
  const rounded = ({ medianMs, p95Ms }: Times) => ({ medianMs: round(medianMs, 1), p95Ms: round(p95Ms, 1) });
  return {
    what,
    state,
    fetches: found.get(`all ${state} ${what}`)?.length ?? 0,
    all: rounded(all),
    best: rounded(best),
    ofMedian,
    ofP95,
    ...(state === "beside" && {
      ofBestBeside: {
        median: round(all.medianMs / beside.medianMs),
        p95: round(all.p95Ms / beside.p95Ms),
      },
    }),
    pass: ofMedian <= BAR[state] && ofP95 <= BAR[state],
  };
}

/** The result as lines for a person. */
export function rows({ results, broken }: Awaited<ReturnType<typeof run>>): string[][] {
  const pair = (one: number, other: number, unit = "") => `${one}${unit}; ${other}${unit}`;
  return [
    ["median; 95 %", "all links", "best alone, idle", "ratio", "bar", "of the best beside bulk"],
    ...results.map(({ what, state, fetches, all, best, ofMedian, ofP95, ofBestBeside, pass }) => [
      `${fetches} times ${what}, ${state === "idle" ? "idle" : "beside a bulk download"}`,
      pair(all.medianMs, all.p95Ms, " ms"),
      pair(best.medianMs, best.p95Ms, " ms"),
      pair(ofMedian, ofP95),
      `${BAR[state]} ${pass ? "holds" : "missed"}`,
      ofBestBeside ? pair(ofBestBeside.median, ofBestBeside.p95) : "",
    ]),
    ...broken.map((why) => ["broken", why]),
  ];
}

/** Gives the server the further addresses of a page's hosts. */
async function addHosts(world: World): Promise<void> {
  for (const host of HOSTS.slice(1)) {
    const words = ["ip", "address", "add", `${host}/24`, "dev", "eth0"];
    const { success } = await world.lab.spawn("server", words, { stdin: "null" }).status;
    if (!success) throw new Error(`Cannot give the server the address ${host}`);
  }
}

/** A download of the other device over all links that are in use, until it is disposed of. */
async function bulk(world: World): Promise<AsyncDisposable> {
  const child = world.startTransfer("device2", {});
  const read = child.stdout.pipeTo(new WritableStream());
  const end = async () => {
    child.kill("SIGKILL");
    await child.status;
    await read;
  };
  try {
    await world.box.until(({ links }) =>
      links.every(({ tier, path }) => tier === "never" || (path?.rxBitsPerSecond ?? 0) > 1e6)
    );
  } catch (error) {
    await end();
    throw error;
  }
  return { [Symbol.asyncDispose]: end };
}

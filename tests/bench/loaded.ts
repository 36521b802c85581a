// `otb bench loaded`: links that are full both ways, with long queues, for as long as you like: none may be called down.
import { setTimeout as sleep } from "node:timers/promises";
import type { StatusReport } from "../../core/client/mod.ts";
import { links, round } from "./measure.ts";
import { type Transfer, World } from "../worlds/world.ts";

/** Slow links, so that an hour costs little: Mbit/s down, up, and one-way milliseconds. */
const LINKS = ["5/3/10", "5/3/25", "5/2/60"];
/** Half a second of queue downstream and more upstream, as cheap modems have it. */
const QUEUE_BYTES = 312_500;
/** Transfers of this length follow each other; the pause between them is by chance, so that links also fill and empty. */
const TRANSFER_SECONDS = 45, PAUSE_MS = 4_000;
/** A link that fell is down for a second at least: nothing is missed. */
const POLL_MS = 200;

/** A link that was called down though it carried; `afterSeconds` since the start. */
interface FalseDown {
  link: string;
  afterSeconds: number;
  reason: string;
}

/** What was seen; rates in Mbit/s, all links together, medians over the transfers. */
export interface LoadedResult {
  minutes: number;
  polls: number;
  transfers: number;
  broken: string[];
  downMbps: number;
  upMbps: number;
  falseDowns: FalseDown[];
  /** How often a link was called degraded, and a path suspected: neither takes it out of use for good. */
  degraded: number;
  suspected: number;
  pass: boolean;
}

/** Loads three links both ways for `minutes`, and looks at them five times a second. */
export async function run({ minutes = 60 }: { minutes?: number }): Promise<LoadedResult> {
  await using world = await World.up(`loaded${Deno.pid}`, { links: links(...LINKS), devices: 2 });
  for (const { name } of world.lab.links) await world.lab.set(name, { queueBytes: QUEUE_BYTES });
  await world.box.until(({ links }) => links.every(({ health }) => health?.state === "up"));
  const startMs = performance.now();
  const endMs = startMs + minutes * 60_000;
  const results: { down: Transfer[]; up: Transfer[] } = { down: [], up: [] };
  const follow = async (device: string, upload: boolean) => {
    while (performance.now() < endMs) {
      const seconds = Math.min(TRANSFER_SECONDS, Math.max(5, (endMs - performance.now()) / 1000));
      results[upload ? "up" : "down"].push(
        await world.transfer(device, { seconds, upload, skipSeconds: 2 }),
      );
      await sleep(Math.random() * PAUSE_MS);
    }
  };
  const transfers = Promise.all([follow("device1", false), follow("device2", true)]);
  const falseDowns: FalseDown[] = [];
  const counted = { polls: 0, degraded: 0, suspected: 0 };
  let before: { [link: string]: string | undefined } = {};
  while (performance.now() < endMs) {
    const status = await world.box.status();
    counted.polls++;
    const now = said(status);
    for (const { name, health, path, observed } of status.links) {
      const became = (what: string, state: string) =>
        now[name + what] === state && before[name + what] !== state;
      if (became(" health", "down") || became(" health", "unknown") || became(" path", "down")) {
        const reason = health?.reason ?? path?.reason ?? observed.reason ?? "no reason";
        falseDowns.push({ link: name, afterSeconds: round((performance.now() - startMs) / 1000, 0), reason });
      }
      if (became(" health", "degraded")) counted.degraded++;
      if (became(" path", "suspect")) counted.suspected++;
    }
    before = now;
    await sleep(POLL_MS);
  }
  await transfers;
  const all = [...results.down, ...results.up];
  const broken = all.flatMap(({ error, checksumOk }) =>
    error ?? (checksumOk === false ? "bytes that were not sent" : [])
  );
  const middle = (transfers: Transfer[]) =>
    round(transfers.map(({ mbps }) => mbps).sort((a, b) => a - b)[transfers.length >> 1] ?? 0, 1);
  return {
    minutes: round((performance.now() - startMs) / 60_000, 1),
    ...counted,
    transfers: all.length,
    broken,
    downMbps: middle(results.down),
    upMbps: middle(results.up),
    falseDowns,
    pass: falseDowns.length === 0 && broken.length === 0,
  };
}

/** The result as lines for a person. */
export function rows(result: LoadedResult): string[][] {
  const { minutes, polls, transfers, broken, downMbps, upMbps, falseDowns, degraded, suspected } = result;
  return [
    [`three links full both ways for ${minutes} min`, `looked at ${polls} times`],
    ["called down", `${falseDowns.length} (bar 0)`],
    ...falseDowns.map(({ link, afterSeconds, reason }) => [`  ${link} after ${afterSeconds} s`, reason]),
    ["called degraded; suspected", `${degraded}; ${suspected}`],
    ["transfers that were well", `${transfers - broken.length} of ${transfers}`],
    ...broken.map((reason) => ["  broken", reason]),
    ["all links together, down; up", `${downMbps}; ${upMbps} Mbit/s`],
  ];
}

/** Health and path of each link in a word. */
function said({ links }: StatusReport): { [what: string]: string | undefined } {
  return Object.fromEntries(
    links.flatMap(({ name, health, path }) => [
      [`${name} health`, health?.state],
      [`${name} path`, path?.state],
    ]),
  );
}

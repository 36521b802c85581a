// `otb bench failover`: links are cut silently under what devices do, and come and go a thousand times: nothing breaks, little stops.
import { links } from "./measure.ts";
import { type Transport, World } from "../worlds/world.ts";
import { chosen } from "./chosen.ts";
import { type CutsResult, cutsRows, cutsUnder } from "./failover_cuts.ts";
import { type FlapsResult, flapsRows, flapsUnder } from "./failover_flaps.ts";
import { FLOWS } from "./failover_flows.ts";

/** The best link of all first. */
const LINKS = ["40/20/10", "30/10/20", "20/10/30"];
const FLAPS = 1_000;

interface Options {
  /** Each cuts every link three times under each kind of connection. */
  rounds: number;
  flaps?: number;
  transport?: Transport;
  /** Only parts whose name contains this. */
  only?: string;
}

/** What came of each part. */
export interface FailoverResult {
  transport: Transport;
  cuts: CutsResult[];
  flaps?: FlapsResult;
  pass: boolean;
}

/** Does one part after the other in one world. */
export async function run(
  { rounds, flaps = FLAPS, transport = "striped", only }: Options,
): Promise<FailoverResult> {
  const parts = chosen([...FLOWS, "flaps"], only);
  await using world = await World.up(`failover${Deno.pid}`, { links: links(...LINKS), devices: 2 });
  await world.over(transport);
  const cuts: CutsResult[] = [];
  for (const kind of FLOWS) if (parts.includes(kind)) cuts.push(await cutsUnder(world, kind, rounds));
  const flapped = parts.includes("flaps") ? await flapsUnder(world, flaps) : undefined;
  return {
    transport,
    cuts,
    ...(flapped && { flaps: flapped }),
    pass: cuts.every(({ pass }) => pass) && (flapped?.pass ?? true),
  };
}

/** The result as lines for a person. */
export function rows({ cuts, flaps }: FailoverResult): string[][] {
  return [...cuts.flatMap(cutsRows), ...(flaps ? flapsRows(flaps) : [])];
}

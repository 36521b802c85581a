// `otb bench idle`: memory of an idle box, all its processes together, as proportional set size.
import { proportionalMemory } from "../../core/supervisor/process.ts";
import { links, round } from "./measure.ts";
import { World } from "../worlds/world.ts";

const BAR_MB = 200;

/** Raises a box with three links, carries a little traffic, lets it rest and weighs it. */
export async function run(): Promise<
  { processes: { name: string; pssMb: number }[]; totalMb: number; barMb: number; pass: boolean }
> {
  await using world = await World.up(`idle${Deno.pid}`, { links: links("50/50/10", "30/30/15", "20/20/20") });
  await world.transfer("device1", { bytes: 1_000_000 });
  await new Promise((resolve) => setTimeout(resolve, 5_000));
  const { pid, plugins } = await world.box.status();
  const processes = [{ name: "core", pid }, ...plugins]
    .flatMap(({ name, pid }) => pid === undefined ? [] : [{ name, pid }]).map(({ name, pid }) => ({
      name,
      pssMb: round((proportionalMemory(pid) ?? NaN) / 1e6, 1),
    }));
  const totalMb = round(processes.reduce((sum, { pssMb }) => sum + pssMb, 0), 1);
  return { processes, totalMb, barMb: BAR_MB, pass: totalMb <= BAR_MB };
}

/** The result as lines for a person. */
export function rows({ processes, totalMb, barMb, pass }: Awaited<ReturnType<typeof run>>): string[][] {
  return [
    ["process", "PSS"],
    ...processes.map(({ name, pssMb }) => [name, `${pssMb} MB`]),
    ["all", `${totalMb} MB of ${barMb} MB, ${pass ? "holds" : "missed"}`],
  ];
}

// What tests of the tunnel ask of a world.
import type { Json, StatusReport } from "../../core/client/mod.ts";
import type { Lab } from "../lab/lab.ts";
import type { World } from "./world.ts";

/** What the tunnel says of itself; undefined while it says nothing. */
export function tunnelOf(status: StatusReport): { [key: string]: Json } | undefined {
  return status.plugins.find(({ name }) => name === "udp-tunnel")?.status as
    | { [key: string]: Json }
    | undefined;
}

/** Its paths. */
export function pathsOf(status: StatusReport): { path: string; state: string; mtu: number }[] {
  return (tunnelOf(status)?.paths ?? []) as { path: string; state: string; mtu: number }[];
}

/** Waits until packets go through it: it stands, every path lives, and whoever decides ways has heard of it. */
export async function tunnelIsUp(world: World): Promise<void> {
  await world.box.until((status) =>
    tunnelOf(status)?.state === "up" && pathsOf(status).length > 0 &&
    pathsOf(status).every(({ state }) => state === "up") &&
    status.plugins.find(({ name }) => name === "device-pinning")?.status?.tunnel === "up"
  );
}

/** What a command in a role prints, whether it succeeds or not. */
export async function printed(lab: Lab, role: string, command: string[]): Promise<string> {
  const { stdout, stderr } = await lab.spawn(role, command, {
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).output();
  return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
}

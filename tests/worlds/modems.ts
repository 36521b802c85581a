// A box among modems that it has to find, and what it says of the links: for tests of discovery.
import type { StatusReport } from "../../core/client/mod.ts";
import type { Link } from "@otb/plugin";
import type { ModemSpec } from "../lab/modem.ts";
import { links } from "../bench/measure.ts";
import { SERVER_ADDRESS, SERVER_PORT, World } from "./world.ts";

/** A box alone among modems, that looks often. */
export async function among(name: string, modems: ModemSpec[], lan?: string): Promise<World> {
  const world = await World.up(`${name}${Deno.pid}`, {
    links: links(...modems.map((_, index) => `20/10/${5 * index + 5}`)),
    modems,
    lan,
  }, { found: true, start: false });
  await world.box.otb(["config", "set", "wan-discovery.probeSeconds=5", "wan-discovery.watchSeconds=1"]);
  await world.box.up();
  return world;
}

/** Gateways of the links that are up, sorted. */
export function gateways(links: Link[]): string[] {
  return links.filter(({ observed }) => observed.state === "up").map(({ observed }) => observed.gateway!)
    .sort();
}

/** What discovery says of its modems; the lab numbers them in their Ethernet addresses. */
export function modemsOf({ plugins }: StatusReport): { name: string; state: string; number: number }[] {
  const { status } = plugins.find(({ name }) => name === "wan-discovery")!;
  const modems = status.modems as { name: string; state: string; mac: string }[];
  return modems.map(({ name, state, mac }) => ({ name, state, number: Number(mac.split(":")[4]) }));
}

/** Fails unless a link leaves by its modem's public address, once the routes are there: the server is asked who called. */
export async function leavesBy(world: World, { name, observed }: Link, modem: number): Promise<void> {
  let said = "";
  for (let attempt = 0; attempt < 40; attempt++) {
    // A modem may give another address to another port, a moment after the former one was seen there.
    const { links } = await world.box.status();
    const address = links.find((link) => link.name === name)?.observed.address ?? observed.address!;
    const { stdout } = await world.lab.spawn("box", [
      ...["curl", "-s", "-m", "5", "--interface", address],
      `http://${SERVER_ADDRESS}:${SERVER_PORT}/whoami`,
    ], { stdin: "null", stdout: "piped", stderr: "null" }).output();
    said = new TextDecoder().decode(stdout).trim();
    if (said === `198.18.${modem}.2`) return;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  throw new Error(`${name} leaves by "${said}", not by modem ${modem}`);
}

/** Fails unless every link leaves by the modem that it is said to be of; gives the modems' numbers by name. */
export async function allLeave(world: World, links: Link[]): Promise<Map<string, number>> {
  const modems = new Map(modemsOf(await world.box.status()).map(({ name, number }) => [name, number]));
  await Promise.all(links.map((link) => leavesBy(world, link, modems.get(link.name)!)));
  return modems;
}

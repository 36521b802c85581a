// How to switch a modem's DHCP server off, from data files. Pure but for reading them once.
import * as z from "zod/mini";
import type { Router } from "./ipv6.ts";
import type { Server } from "./machine.ts";

const steps = z.array(z.string().check(z.minLength(1), z.maxLength(300))).check(
  z.minLength(1),
  z.maxLength(8),
);
const words = z.strictObject({ en: steps, fr: steps });

/** A recipe as it stands in recipes/*.json. */
export const recipeSchema = z.strictObject({
  /** Small letters and dashes, as the file is named. */
  id: z.string().check(z.regex(/^[a-z0-9-]+$/)),
  title: z.string().check(z.minLength(1), z.maxLength(60)),
  /** Words in what a server calls itself, in small letters. */
  match: z.array(z.string().check(z.regex(/^[a-z0-9!. -]{2,40}$/))),
  /** Whether its DHCP server can be switched off at all. */
  canSwitchOff: z.boolean(),
  off: words,
  /** The way back. */
  on: words,
  /** How to keep it from announcing IPv6 on its LAN; absent: as the generic recipe says. */
  ipv6Off: z.optional(words),
});

/** One modem's way. */
export type Recipe = z.infer<typeof recipeSchema>;

/** What a person is told of one server. */
export interface Instruction {
  mac: string;
  server: string;
  vendor?: string;
  recipe: string;
  title: string;
  canSwitchOff: boolean;
  /** Where its pages are. */
  url: string;
  en: string[];
  fr: string[];
}

/** The recipe for whoever no other one fits. */
export const GENERIC = "generic";

/** Reads all recipes of a folder. @throws Error when one breaks the schema or has another name than its file */
export function readRecipes(folder: URL): Recipe[] {
  return [...Deno.readDirSync(folder)].filter(({ name }) => name.endsWith(".json")).map(({ name }) => {
    const recipe = recipeSchema.parse(JSON.parse(Deno.readTextFileSync(new URL(name, folder))));
    if (`${recipe.id}.json` !== name) throw new Error(`recipes/${name} calls itself ${recipe.id}`);
    return recipe;
  }).sort((a, b) => a.id < b.id ? -1 : 1);
}

/** The recipe whose longest word is in what a server calls itself. */
export function recipeFor(recipes: Recipe[], vendor = ""): Recipe {
  const said = vendor.toLowerCase();
  const fits = recipes.flatMap((recipe) =>
    recipe.match.filter((word) => said.includes(word)).map((word) => ({ recipe, length: word.length }))
  ).sort((a, b) => b.length - a.length);
  return fits[0]?.recipe ?? recipes.find(({ id }) => id === GENERIC)!;
}

/** What to tell of some servers; `way` is to switch them off, or on again. */
export function instructions(recipes: Recipe[], servers: Server[], way: "off" | "on"): Instruction[] {
  return servers.map(({ mac, server, vendor, router }) => {
    const recipe = recipeFor(recipes, vendor);
    return {
      mac,
      server,
      ...(vendor ? { vendor } : {}),
      recipe: recipe.id,
      title: recipe.title,
      canSwitchOff: recipe.canSwitchOff,
      url: `http://${router ?? server}/`,
      ...recipe[way],
    };
  });
}

/** What to tell of routers that announce IPv6 on the LAN; who is also a DHCP server is known by that. */
export function ipv6Instructions(recipes: Recipe[], routers: Router[], servers: Server[]): Instruction[] {
  const generic = recipes.find(({ id }) => id === GENERIC)!;
  return routers.map(({ mac, router }) => {
    const server = servers.find((one) => one.mac === mac);
    const recipe = recipeFor(recipes, server?.vendor);
    return {
      mac,
      server: router,
      ...(server?.vendor ? { vendor: server.vendor } : {}),
      recipe: recipe.id,
      title: `${recipe.title}: IPv6`,
      canSwitchOff: recipe.canSwitchOff,
      // A browser takes no link-local address.
      url: server ? `http://${server.router ?? server.server}/` : `the router with the MAC address ${mac}`,
      ...(recipe.ipv6Off ?? generic.ipv6Off!),
    };
  });
}

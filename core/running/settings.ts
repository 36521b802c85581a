// From a stored configuration to settings in force: the core's own schema first, then each plugin's, asked in its own code.
import * as z from "zod";
import type { Effective, Evaluation } from "../config/changes.ts";
import { checkLanPlace, lanWarnings, type Place } from "../config/lan.ts";
import { checkNetwork, networkSchema, type NetworkSettings } from "../config/network.ts";
import { nearest, problemsOf } from "../config/problems.ts";
import type { Document } from "../config/revisions.ts";
import type { Json, Link, Network, Problem, World } from "../contract/mod.ts";
import { inspectPlugins } from "../supervisor/inspect.ts";
import type { Inspection } from "../supervisor/inspect_main.ts";
import type { Manifest } from "../supervisor/manifest.ts";

/** The network settings as plugins see them. */
export function networkView({ role, lan, peers }: NetworkSettings): Network {
  return { role, lan, peers };
}

/** Network settings that were evaluated. */
export function networkOf(effective: Effective): NetworkSettings {
  return effective.network as unknown as NetworkSettings;
}

/** What settings are checked against. */
export interface Machine {
  /** Whether they are in force at once. */
  runs: boolean;
  /** How links look now under given network settings; without interfaces where nothing runs. */
  links(network: NetworkSettings): Link[];
  /** The interfaces that are there; undefined where nobody knows. */
  places(): Place[] | undefined;
}

/** Evaluates documents; a plugin is asked the same question only once. */
export class Settings {
  #answers = new Map<string, Promise<Inspection>>();

  constructor(
    private readonly manifests: Manifest[],
    private readonly root: string,
    private readonly machine: Machine,
  ) {}

  async evaluate(document: Document): Promise<Evaluation> {
    const parsed = networkSchema.safeParse(document.network);
    const problems = parsed.success
      ? checkNetwork(parsed.data)
      : problemsOf("network", parsed.error.issues, document.network, (path) =>
        knownNames(networkJsonSchema(), path));
    const links = parsed.success ? this.machine.links(parsed.data) : [];
    const warnings: Problem[] = [];
    if (parsed.success && parsed.data.lan) {
      const { lan } = parsed.data;
      const places = this.machine.places();
      // Settings may be made before the machine has all its ports, as in an image; while all runs, one that is not there is a slip.
      (this.machine.runs ? problems : warnings).push(...checkLanPlace(lan, places));
      warnings.push(...lanWarnings(lan, links, places));
    }
    const names = this.manifests.map(({ name }) => name);
    for (const name of Object.keys(document.plugins)) {
      if (names.includes(name)) continue;
      const near = nearest(name, names);
      problems.push({
        code: "plugin-unknown",
        path: name,
        message: `Cannot set ${name} as there is no such plugin here: known are network, ${names.join(", ")}`,
        next: near && `Did you mean "${near}"?`,
      });
    }
    // Where the network itself is refused, the plugins' schemas still speak: all problems are told at once.
    const world: World = parsed.success
      ? { network: networkView(parsed.data), links }
      : { network: { role: "box", peers: [] }, links: [] };
    const plugins: Effective["plugins"] = {}, foreseen: Evaluation["foreseen"] = {};
    const configs = names.map((name) => document.plugins[name] ?? {});
    const inspections = await this.#ask(configs, world);
    for (const [index, inspection] of inspections.entries()) {
      const name = names[index]!, config = configs[index]!;
      problems.push(
        ...problemsOf(name, inspection.issues, config, (path) => knownNames(inspection.schema, path)),
        ...(parsed.success ? inspection.problems : []).map((problem) => ({
          ...problem,
          path: `${name}.${problem.path}`,
        })),
      );
      if (inspection.value !== undefined) plugins[name] = inspection.value;
      foreseen[name] = inspection.foreseen;
    }
    const complete = parsed.success && names.every((name) => name in plugins);
    return {
      effective: complete ? { network: parsed.data as unknown as Json, plugins } : undefined,
      problems,
      warnings,
      foreseen,
    };
  }

  /** JSON schema per section. */
  async schemas(): Promise<{ [section: string]: Json }> {
    const world: World = { network: { role: "box", peers: [] }, links: [] };
    const inspections = await this.#ask(this.manifests.map(() => ({})), world);
    return {
      network: networkJsonSchema(),
      ...Object.fromEntries(inspections.map(({ schema }, index) => [this.manifests[index]!.name, schema])),
    };
  }

  /** Asks every plugin about its settings: those that were not asked the same before, all at once. */
  #ask(configs: Json[], world: World): Promise<Inspection[]> {
    const questions = configs.map((config, index) =>
      JSON.stringify([this.manifests[index]!.name, config, world])
    );
    if (this.#answers.size > 50) this.#answers.clear();
    const missing = [...questions.keys()].filter((index) => !this.#answers.has(questions[index]!));
    if (missing.length > 0) {
      const answers = inspectPlugins(
        missing.map((index) => this.manifests[index]!),
        this.root,
        missing.map((index) => ({ config: configs[index]!, world })),
      );
      for (const [place, index] of missing.entries()) {
        const question = questions[index]!;
        const answer = answers.then((all) => all[place]!);
        answer.catch(() => this.#answers.delete(question));
        this.#answers.set(question, answer);
      }
    }
    return Promise.all(questions.map((question) => this.#answers.get(question)!));
  }
}

function networkJsonSchema(): Json {
  return z.toJSONSchema(networkSchema, { io: "input", unrepresentable: "any" }) as Json;
}

/** Names of settings at a path of a JSON schema, for suggestions. */
function knownNames(schema: Json, path: PropertyKey[]): string[] {
  // deno-lint-ignore no-explicit-any
  let at = schema as any;
  for (const part of path) at = at?.properties?.[part] ?? at?.additionalProperties ?? at?.items;
  return Object.keys(at?.properties ?? {});
}

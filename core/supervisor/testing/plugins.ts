// Real plugins in real processes for the supervisor's tests: written into a temporary folder, led by a core without a kernel.
import type { Json, Link, Network, Resource } from "../../contract/mod.ts";
import { FactBoard } from "../facts.ts";
import { LiveView } from "../../contract/live_view.ts";
import { type Manifest, parseManifest } from "../manifest.ts";
import type { LogNotice } from "../protocol.ts";
import { type Core, Supervised } from "../supervised.ts";

const ROOT = new URL("../../..", import.meta.url).pathname.replace(/\/$/, "");

/**
 * Writes a plugin whose `start` has the given body (`ctx` and the contract in scope, and some facts that the manifest declares) and
 * returns its manifest.
 */
export function writePlugin(
  folder: string,
  name: string,
  body: string,
  extra: { members?: string; otb?: object } = {},
): Manifest {
  const directory = `${folder}/code/${name}`;
  Deno.mkdirSync(directory, { recursive: true });
  Deno.writeTextFileSync(
    `${directory}/mod.ts`,
    `import * as z from "zod/mini";
import * as contract from "@otb/plugin";
const { definePlugin, fact, factOf, ...facts } = contract;
const SAID = fact("said", z.any()), GREETING = fact("greeting", z.string()), AGAIN = fact("again", z.string());
const F = fact("f", z.any()), THING = factOf("thing", "thing", z.number());
export default definePlugin({
  config: z.strictObject({ greeting: z._default(z.string(), "hello"), place: z._default(z.string(), "here") }),
  async start(ctx) { ${body} },
  ${extra.members ?? ""}
});
`,
  );
  return parseManifest(
    JSON.stringify({
      name: `@test/${name}`,
      version: "1.0.0",
      exports: "./mod.ts",
      otb: {
        contract: "^2",
        summary: "A plugin for a test",
        roles: ["box"],
        claims: ["address"],
        publishes: ["said", "f", "thing", "greeting", "again"],
        ...extra.otb,
      },
    }),
    directory,
  );
}

/** A core around plugins that records what they do; claims are kept, not applied. */
export class RecordingCore implements Core {
  role = "box" as const;
  links = new LiveView<Link[]>([]);
  network = new LiveView<Network>({ role: "box", peers: [] });
  facts = new FactBoard();
  claims = new Map<string, Resource[]>();
  logs: string[] = [];
  store = new Map<string, Json>();
  settings: Json = {};
  psk = "correct-horse-battery";
  places;
  #waiting: { test: () => boolean; resolve: () => void }[] = [];

  constructor(folder: string) {
    this.places = {
      run: `${folder}/run`,
      data: `${folder}/data`,
      root: ROOT,
      nativeLibrary: `${folder}/none.so`,
    };
    Deno.mkdirSync(this.places.run, { recursive: true });
  }

  claim(owner: string, key: string, resources: Resource[]): Promise<void> {
    if (resources.length > 0) this.claims.set(`${owner}/${key}`, resources);
    else this.claims.delete(`${owner}/${key}`);
    this.#look();
    return Promise.resolve();
  }

  release(owner: string): Promise<void> {
    for (const key of [...this.claims.keys()]) if (key.startsWith(`${owner}/`)) this.claims.delete(key);
    return Promise.resolve();
  }

  config(): Json {
    return this.settings;
  }

  secret(name: string): string | undefined {
    return name === "psk" ? this.psk : undefined;
  }

  storeGet(plugin: string, key: string): Json | null {
    return this.store.get(`${plugin}/${key}`) ?? null;
  }

  storeSet(plugin: string, key: string, value: Json | null): void {
    if (value === null) this.store.delete(`${plugin}/${key}`);
    else this.store.set(`${plugin}/${key}`, value);
    this.#look();
  }

  log(plugin: string, { level, message, properties }: LogNotice): void {
    this.logs.push(`${plugin} ${level} ${message}${properties ? ` ${JSON.stringify(properties)}` : ""}`);
    this.#look();
  }

  /** Resolves when `test` holds; rejects after 20 s, far beyond what any machine needs. */
  until(test: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`never happened: ${test}\n${this.logs.join("\n")}`)),
        20_000,
      );
      const poll = setInterval(() => this.#look(), 20);
      this.#waiting.push({
        test,
        resolve: () => {
          clearTimeout(timer);
          clearInterval(poll);
          resolve();
        },
      });
      this.#look();
    });
  }

  #look(): void {
    this.#waiting = this.#waiting.filter((waiting) => !waiting.test() || waiting.resolve());
  }
}

/** Runs `body` with a temporary folder, and ends whatever plugin process is left in the end. */
export async function withCore(
  body: (
    core: RecordingCore,
    folder: string,
    lead: (manifest: Manifest, graceMs?: number) => Supervised,
  ) => Promise<void>,
) {
  const folder = await Deno.makeTempDir({ prefix: "otb" });
  const core = new RecordingCore(folder);
  const led: Supervised[] = [];
  try {
    await body(core, folder, (manifest, graceMs) => {
      const plugin = new Supervised(manifest, core, graceMs);
      led.push(plugin);
      return plugin;
    });
  } finally {
    for (const plugin of led) await plugin.stop();
    await Deno.remove(folder, { recursive: true });
  }
}

/**
 * Starts the plugin under a core in a process of its own, which is then killed.
 * @param before what that core does first, with itself as `core`
 * @returns the plugin's process id
 */
export async function leftByAnotherCore(manifest: Manifest, folder: string, before = ""): Promise<number> {
  const first = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", "-"],
    cwd: ROOT,
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = first.stdin.getWriter();
  await writer.write(new TextEncoder().encode(`
    import { RecordingCore } from "${import.meta.url}";
    import { Supervised } from "${new URL("../supervised.ts", import.meta.url).href}";
    const core = new RecordingCore(${JSON.stringify(folder)});
    ${before}
    const plugin = new Supervised(${JSON.stringify(manifest)}, core);
    await plugin.start();
    console.log(plugin.report().pid);
  `));
  await writer.close();
  const reader = first.stdout.getReader();
  const pid = Number(new TextDecoder().decode((await reader.read()).value));
  first.kill("SIGKILL");
  await first.status;
  await reader.cancel();
  if (!(pid > 0)) throw new Error("it did not start there");
  return pid;
}

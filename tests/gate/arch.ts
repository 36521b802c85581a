// "Who may know whom", as rules over the module graph. Pure, so that the rules themselves are tested on made-up graphs.
import { deadExports } from "./exports.ts";

/** One import: paths relative to the root, or `npm:`, `node:`, `jsr:`, `https:` and the like for what lies outside. */
export interface Edge {
  from: string;
  to: string;
  /** Vanishes when types are stripped. */
  typeOnly?: boolean;
  dynamic?: boolean;
}

/** What is looked at. */
export interface House {
  edges: Edge[];
  /** Text of every module by path. */
  sources: { [path: string]: string };
  /** The `otb` part of every plugin's manifest by folder name. */
  manifests: {
    [plugin: string]: {
      native?: boolean;
      permissions?: { run?: string[] };
      reads?: string[];
      publishes?: string[];
      runs?: string | { whileFact?: string };
    };
  };
  /** Versions of npm packages, the `imports` of deno.json. */
  imports: { [name: string]: string };
}

/** Every breach of the rules, one sentence each; empty when the house is in order. */
export function breaches(house: House): string[] {
  return [
    ...house.edges.flatMap((edge) => edgeBreach(edge, house)),
    ...circles(house.edges).map((circle) =>
      `${circle.join(" and ")} import each other: no circle is allowed`
    ),
    ...Object.entries(house.sources).flatMap(([path, text]) => programBreaches(path, text, house)),
    ...Object.entries(house.sources).flatMap(([path, text]) => printBreaches(path, text)),
    ...Object.entries(house.sources).flatMap(([path, text]) => stateBreaches(path, text)),
    ...Object.entries(house.sources).flatMap(([path, text]) => nameBreaches(path, text, house)),
    ...Object.entries(house.sources).flatMap(([path, text]) => lengthBreaches(path, text)),
    ...Object.entries(house.sources).flatMap(([path, text]) => joinBreaches(path, text)),
    ...deadExports(house.sources, { "@otb/plugin": CONTRACT, "@otb/plugin/testing": TESTING }, isDoor).map((
      found,
    ) => `${found} is exported, and nobody uses it`),
    ...Object.keys(house.imports).filter((name) => isUnusedPackage(name, house)).map((name) =>
      `deno.json: nobody imports "${name}"`
    ),
    ...Object.entries(house.sources).flatMap(([path, text]) =>
      /^(plugins|tests)\//.test(path) && /from "[./]*core\/contract\/mod\.ts"/.test(text)
        ? [`${path} imports the contract by its path: its name is @otb/plugin`]
        : []
    ),
    ...Object.entries(house.imports).flatMap(([name, target]) =>
      name === "@otb/plugin" && target === `./${CONTRACT}` ||
        name === "@otb/plugin/testing" && target === "./core/contract/testing/mod.ts" ||
        /^npm:(@[^/@]+\/)?[^/@]+@\d+\.\d+\.\d+(-[\w.]+)?$/.test(target)
        ? []
        : [`deno.json: "${name}" must be an npm package with its exact version, not "${target}"`]
    ),
  ];
}

/** Modules that reach each other by their imports, types included (Tarjan 1972: strongly connected components). */
export function circles(edges: Edge[]): string[][] {
  const targets = new Map<string, string[]>();
  for (const { from, to } of edges) targets.set(from, [...targets.get(from) ?? [], to]);
  const found: string[][] = [], open: string[] = [];
  const order = new Map<string, number>(), lowest = new Map<string, number>();
  const visit = (module: string) => {
    order.set(module, order.size);
    lowest.set(module, order.get(module)!);
    open.push(module);
    for (const to of targets.get(module) ?? []) {
      if (!order.has(to)) visit(to);
      if (open.includes(to)) lowest.set(module, Math.min(lowest.get(module)!, lowest.get(to)!));
    }
    if (lowest.get(module) !== order.get(module)) return;
    const circle = open.splice(open.indexOf(module));
    if (circle.length > 1) found.push(circle.sort());
  };
  for (const module of targets.keys()) if (!order.has(module)) visit(module);
  return found;
}

/** Tests, benchmarks and their helpers may import anything. */
export function isTest(path: string): boolean {
  return path.startsWith("tests/") || /\/(testing|testdata)\//.test(path) ||
    /_(test|bench)\.tsx?$/.test(path);
}

/** What a plugin imports as @otb/plugin. */
const CONTRACT = "core/contract/mod.ts", TESTING = "core/contract/testing/mod.ts";
/** What a face imports of core. */
const CLIENT = "core/client/mod.ts";

/** Read by others than these modules: outsiders' plugins, other faces, and whoever copies the template. */
function isDoor(path: string): boolean {
  return path === CONTRACT || path === CLIENT || path.startsWith("plugins/_template/");
}

/** Nobody reads longer ones whole. */
const MOST_LINES = 500;

function lengthBreaches(path: string, text: string): string[] {
  const lines = text.split("\n").length - 1;
  return lines > MOST_LINES ? [`${path} has ${lines} lines: ${MOST_LINES} at most, one concept a file`] : [];
}

/** Who opens a plugin's module sees all that it has, and nothing of how that works. */
const MOST_JOINING_LINES = 80;

function joinBreaches(path: string, text: string): string[] {
  const isJoining = /^plugins\/[^/]+\/mod\.ts$/.test(path);
  return isJoining &&
      (/^(export )?(abstract )?class /m.test(text) || text.split("\n").length > MOST_JOINING_LINES)
    ? [`${path} only joins what other files have: no class, and ${MOST_JOINING_LINES} lines at most`]
    : [];
}

function isUnusedPackage(name: string, { sources }: House): boolean {
  const imported = new RegExp(`from "${RegExp.escape(name)}[/"]`);
  return name !== "@otb/plugin" && !Object.values(sources).some((text) => imported.test(text));
}

function edgeBreach({ from, to, typeOnly, dynamic }: Edge, { manifests }: House): string[] {
  const breach = (rule: string) => [`${from} imports ${to}: ${rule}`];
  if (/^(jsr|https?):/.test(to)) {
    return breach("libraries come from npm, by name and exact version in deno.json");
  }
  if (isTest(from)) return [];
  const [room, name = ""] = from.split("/");
  const outside = /^(npm|node):/.test(to);
  if (isTest(to)) return breach("only tests import what is made for tests");

  if (room === "plugins") {
    if (outside || to.startsWith(`plugins/${name}/`) || to === CONTRACT) return [];
    if (to === "core/native/ffi.ts") {
      return manifests[name]?.native ? [] : breach('native code needs "native": true in the manifest');
    }
    return breach("a plugin knows @otb/plugin, its own files and libraries, nothing else");
  }
  if (room === "webui") {
    return outside || to.startsWith("webui/") || to === CLIENT
      ? []
      : breach("the web UI knows core/client, nothing else of core");
  }
  if (room !== "core") return [];
  if (from.startsWith("core/cli/")) {
    if (outside || to.startsWith("core/cli/") || to === CLIENT) return [];
    if (to === "core/main.ts" && dynamic) return [];
    return breach(
      "the CLI knows core/client (and runs core/main.ts by a dynamic import), nothing else of core",
    );
  }
  if (outside) {
    return from === "core/net/plan.ts" || from === "core/net/model.ts"
      ? breach("the plan is pure data and code")
      : [];
  }
  if (!to.startsWith("core/")) return breach("core knows neither plugins nor the web UI");
  if (to.startsWith("core/cli/")) return breach("nothing of core knows the CLI");
  if (to === "core/main.ts") return breach("nothing of core knows its composition");
  if (from === "core/net/plan.ts") {
    const allowed = to === "core/net/model.ts" || to === "core/net/os.ts" && typeOnly;
    return allowed ? [] : breach("net/plan knows net/model and types of net/os, nothing else");
  }
  if (from === "core/net/model.ts") return breach("net/model knows nothing");
  if (from.startsWith("core/contract/")) {
    return to.startsWith("core/contract/") || to === "core/net/model.ts" || to === "core/net/numbers.ts"
      ? []
      : breach("the contract knows itself, net/model and net/numbers only");
  }
  if (from === "core/net/numbers.ts") return breach("net/numbers knows nothing");
  if (to.startsWith("core/net/os_linux") && !from.startsWith("core/net/os_linux")) {
    // Whoever composes chooses the kernel; everything else works on the Os interface.
    return from === "core/main.ts" || from === "core/client/local.ts"
      ? []
      : breach("only composition chooses the Linux layer");
  }
  return [];
}

/** A running plugin is what its start resolved with; a module that changes is state that nobody is given. */
function stateBreaches(path: string, text: string): string[] {
  return !isTest(path) && path.startsWith("plugins/") && /^(export )?(let|var) /m.test(text)
    ? [`${path} has a variable of the module: keep what changes in the instance that start resolves with`]
    : [];
}

/** Words that are a plugin's name and mean something else there: keys of facts, what the doctor looks at. */
const WORDS: { [name: string]: RegExp } = {
  clock: /^core\/(contract\/fact|cli\/doctor\.ts$)/,
  resolver: /^core\/contract\/facts\//,
};

/** A new plugin edits nothing of core, as no file of core names one: not what it is called, nor its settings or conditions. */
function nameBreaches(path: string, text: string, { manifests }: House): string[] {
  if (isTest(path) || !path.startsWith("core/")) return [];
  return Object.keys(manifests).filter((name) => {
    if (name.startsWith("_")) return false;
    if (WORDS[name]?.test(path)) return false;
    // One word may be any word of English, outside of a string.
    return name.includes("-")
      ? new RegExp(`(?<![\\w-])${name}(?![\\w-])`).test(text)
      : new RegExp(`["'\`]${name}(["'\`]|[.-])`).test(text);
  }).map((name) => `${path} names the plugin "${name}": no file of core does`);
}

/** What is printed past the Terminal would carry what steers it, from whoever wrote it. */
function printBreaches(path: string, text: string): string[] {
  if (isTest(path) || !path.startsWith("core/cli/") || path === "core/cli/terminal.ts") return [];
  return /\bDeno\s*\.\s*std(out|err)\b|\bconsole\s*\./.test(text)
    ? [`${path} prints by itself: only core/cli/terminal.ts writes to a terminal`]
    : [];
}

function programBreaches(path: string, text: string, { manifests }: House): string[] {
  const [room, name = ""] = path.split("/");
  if (isTest(path) || !["core", "plugins", "webui"].includes(room!)) return [];
  const programs = [...text.matchAll(/\b(?:Deno\s*\.\s*Command|runCommand)\s*\(\s*([^,)]*\(?\)?)/g)].map((
    [, program],
  ) => program!.trim());
  const runs = programs.length > 0;
  if (/["'](node:)?child_process["']/.test(text)) {
    return [`${path} uses child_process: programs are run by Deno.Command`];
  }
  if (path === "core/contract/command.ts") return [];
  // A process that runs on and on; the CLI is gone with its memory.
  if (runs && /\.\s*output\s*\(/.test(text) && !path.startsWith("core/cli/")) {
    return [`${path} reads what a program prints by itself: runCommand does, and leaves no buffers behind`];
  }
  if (room === "plugins") {
    return runs && !manifests[name]?.permissions?.run?.length
      ? [`${path} runs a program: the manifest must name it in permissions.run`]
      : [];
  }
  if (path.startsWith("core/net/os_linux") || path === "core/supervisor/programs.ts") return [];
  return programs.filter((program) => program !== "Deno.execPath()" && program !== '"systemctl"').map((
    program,
  ) =>
    `${path} runs ${program}: only core/net/os_linux and core/supervisor/programs.ts run programs (otherwise Deno itself and systemctl)`
  );
}

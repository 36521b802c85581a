// Exports that nobody imports and that their own module does not use, from the texts of all modules. Pure.
import { dirname, join } from "node:path/posix";

const LIST = /^(?:import|export)\s+(?:type\s+)?(?:\w+\s*,\s*)?\{([^}]*)\}\s*from\s+"([^"]+)"/gm;
const ALL = /^(?:import|export)\s+(?:type\s+)?\*[^"]*?from\s+"([^"]+)"/gm;
const DYNAMIC = /\bimport\(\s*"([^"]+)"\s*\)/g;
/** In a program that a module writes for another process. */
const WRITTEN = /\bimport \{([^}]*)\} from (?:"\$|\$)/g;
const DECLARED =
  /^export\s+(?:abstract\s+|async\s+)*(?:function\*?|class|interface|type|enum|const|let)\s+(\w+)(.*)/gm;
const LISTED = /^export\s+(?:type\s+)?\{([^}]*)\}/gm;

/**
 * One line each, `path: name`. An export that its own module uses is none: it may be the type of what others call.
 * @param sources text by path @param names what bare names stand for, a path each @param isDoor whether others than these modules read it
 */
export function deadExports(
  sources: { [path: string]: string },
  names: { [name: string]: string },
  isDoor: (path: string) => boolean,
): string[] {
  const taken = new Set<string>();
  for (const [path, text] of Object.entries(sources)) {
    const take = (target: string, name: string) =>
      taken.add(`${target.startsWith(".") ? join(dirname(path), target) : names[target] ?? target}: ${name}`);
    for (const [, body, target] of text.matchAll(LIST)) {
      for (const [name] of listed(body!)) take(target!, name!);
    }
    for (const [, target] of [...text.matchAll(ALL), ...text.matchAll(DYNAMIC)]) take(target!, "*");
    for (const [, body] of text.matchAll(WRITTEN)) for (const [name] of listed(body!)) taken.add(name!);
  }
  return Object.entries(sources).flatMap(([path, text]) =>
    isDoor(path) || taken.has(`${path}: *`)
      ? []
      : exportsOf(text).filter((name) =>
        !taken.has(`${path}: ${name}`) && !taken.has(name) && !isUsed(text, name)
      ).map((name) => `${path}: ${name}`)
  );
}

/** Names of a list in braces: what it is called there, and what here. */
function listed(body: string): string[][] {
  return body.split(",").map((part) => part.trim().replace(/^type\s+/, "").split(/\s+as\s+/)).filter((
    [name],
  ) => name);
}

function exportsOf(text: string): string[] {
  return [
    ...[...text.matchAll(DECLARED)].flatMap(([, name, rest]) => [
      name!,
      // Several constants on one line.
      ...[...rest!.matchAll(/, ([A-Z][A-Z0-9_]+) = /g)].map(([, more]) => more!),
    ]),
    ...[...text.matchAll(LISTED)].flatMap(([, body]) => listed(body!).map((name) => name.at(-1)!)),
  ];
}

function isUsed(text: string, name: string): boolean {
  return [...text.matchAll(new RegExp(`(?<![\\w.])${name}(?!\\w)`, "g"))].length > 1;
}

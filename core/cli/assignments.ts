// PATH=VALUE words as one merge patch, FIELD=VALUE words as arguments. Pure.
import { type Json, patchAt } from "../client/mod.ts";
import type { Patch } from "./change.ts";
import { UsageError } from "./terminal.ts";

type JsonObject = { [key: string]: Json };

/**
 * The patch that several `PATH=VALUE` make together; a value that is no JSON is taken as text, null removes.
 *
 * @throws UsageError when a word has no path, or two of them contradict each other
 */
export function parseAssignments(words: readonly string[]): Patch {
  let patch: JsonObject = {};
  for (const word of words) {
    const equals = word.indexOf("=");
    const path = word.slice(0, equals).replace(/^plugins\./, "");
    if (equals < 1 || path.split(".").length < 2 || path.split(".").includes("")) {
      throw new UsageError(
        `Cannot set a value as it must be PATH=VALUE with a section and a name in PATH: current value is "${word}"`,
        "otb config set --help",
      );
    }
    const section = path.split(".")[0]!;
    const full = section === "network" ? path : `plugins.${path}`;
    patch = combine(patch, patchAt(full, parseValue(word.slice(equals + 1))), path);
  }
  return patch as Patch;
}

/** The arguments that `FIELD=VALUE` words make; undefined without any. @throws UsageError when a word is none */
export function parseFields(words: readonly string[]): JsonObject | undefined {
  if (words.length === 0) return undefined;
  return Object.fromEntries(words.map((word) => {
    const equals = word.indexOf("=");
    if (equals < 1) {
      throw new UsageError(
        `Cannot pass an argument as it must be FIELD=VALUE: current value is "${word}"`,
        "otb plugin act --help",
      );
    }
    return [word.slice(0, equals), parseValue(word.slice(equals + 1))];
  }));
}

/** JSON where it is JSON, otherwise the text itself. */
export function parseValue(text: string): Json {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Both patches; unlike a merge patch itself it keeps null, which means removal later. */
function combine(one: JsonObject, other: JsonObject, path: string): JsonObject {
  const both = { ...one };
  for (const [name, value] of Object.entries(other)) {
    const before = Object.hasOwn(both, name) ? both[name] : undefined;
    if (before === undefined) both[name] = value;
    else if (isObject(before) && isObject(value)) both[name] = combine(before, value, path);
    else {throw new UsageError(
        `Cannot set ${path} as it is set twice in one command`,
        "Name each setting once.",
      );}
  }
  return both;
}

function isObject(value: Json): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

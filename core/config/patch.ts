// Changes of JSON documents as data: merge patches, dotted paths, differences. Pure.
import type { Difference } from "../client/types.ts";
import { type Json, OtbError } from "../contract/mod.ts";

type JsonObject = { [key: string]: Json };

/** Names that reach a prototype; no setting is called so. */
const FORBIDDEN = new Set(["__proto__", "constructor", "prototype"]);

/** Applies a merge patch (RFC 7396): null removes, objects merge, everything else replaces. @throws OtbError `path-invalid` */
export function mergePatch(target: Json | undefined, patch: Json): Json {
  if (!isObject(patch)) return patch;
  const merged: JsonObject = isObject(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    requireName(key);
    if (value === null) delete merged[key];
    else merged[key] = mergePatch(own(merged, key), value);
  }
  return merged;
}

/** The value at a dotted path, undefined when there is none. */
export function getPath(document: Json, path: string): Json | undefined {
  let value: Json | undefined = document;
  for (const name of path.split(".")) {
    requireName(name);
    if (Array.isArray(value)) value = value[Number(name)];
    else value = isObject(value) ? own(value, name) : undefined;
  }
  return value;
}

/** A merge patch that sets (or with null removes) one dotted path. @throws OtbError `path-invalid` */
export function patchAt(path: string, value: Json): JsonObject {
  const names = path.split(".");
  names.forEach(requireName);
  return names.reduceRight<Json>((inner, name) => ({ [name]: inner }), value) as JsonObject;
}

/** Every leaf in which two documents differ, in the order of their paths; arrays are leaves. */
export function difference(before: Json | undefined, after: Json | undefined, path = ""): Difference[] {
  if (isObject(before) && isObject(after)) {
    return [...new Set([...Object.keys(before), ...Object.keys(after)])].sort()
      .flatMap((key) => difference(own(before, key), own(after, key), path === "" ? key : `${path}.${key}`));
  }
  if (JSON.stringify(before) === JSON.stringify(after)) return [];
  // A whole object that comes or goes is told leaf by leaf.
  const whole = isObject(before) && after === undefined
    ? before
    : isObject(after) && before === undefined
    ? after
    : undefined;
  if (whole && Object.keys(whole).length > 0) {
    return Object.keys(whole).sort().flatMap((key) =>
      difference(
        isObject(before) ? own(before, key) : undefined,
        isObject(after) ? own(after, key) : undefined,
        path === "" ? key : `${path}.${key}`,
      )
    );
  }
  return [{ path, before, after }];
}

/** Whether a value is a JSON object, neither null nor an array. */
export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Reads no prototype: a setting may well be called `toString`. */
function own(object: JsonObject, key: string): Json | undefined {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}

function requireName(name: string): void {
  if (name === "" || FORBIDDEN.has(name)) {
    throw new OtbError(
      "path-invalid",
      `Cannot use a setting's path as each part must be a name: current value is "${name}"`,
    );
  }
}

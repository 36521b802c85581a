// Runs inside a process without any permission: what a plugin's schema and check say of proposed settings.
import { toJSONSchema } from "zod/v4/core";
import { answer } from "./answer.ts";
import type { Json, Plugin, Problem, World } from "../contract/mod.ts";
import { type Foreseen, restartsFor } from "./restarts.ts";

/** What is asked; `config` as stored. */
export interface InspectionRequest {
  config: Json;
  world: World;
}

/** What is answered; `issues` are the schema's own, empty with a `value` that has every default filled in. */
export interface Inspection {
  schema: Json;
  value?: Json;
  issues: { code: string; path: (string | number)[]; message: string; keys?: string[] }[];
  problems: Problem[];
  foreseen: Foreseen;
}

/** Prints the plugins' inspections as a JSON array on standard output. */
export async function inspect(plugins: Plugin<unknown>[], requests: InspectionRequest[]): Promise<void> {
  await answer(plugins.map((plugin, index) => inspectOne(plugin, requests[index]!)));
}

function inspectOne<Config>(plugin: Plugin<Config>, request: InspectionRequest): Inspection {
  const result = plugin.config.safeParse(request.config);
  const inspection: Inspection = {
    schema: toJSONSchema(plugin.config, { io: "input", unrepresentable: "any" }) as Json,
    issues: [],
    problems: [],
    foreseen: { restartsFor: restartsFor(plugin), claims: {} },
  };
  if (result.success) {
    inspection.value = result.data as Json;
    inspection.problems = plugin.check?.(result.data, request.world) ?? [];
    if (inspection.problems.length === 0) {
      inspection.foreseen.claims = plugin.claims?.(result.data, request.world) ?? {};
    }
  } else {
    inspection.issues = result.error.issues.map((issue) => ({
      code: issue.code,
      path: issue.path.map((part) => typeof part === "symbol" ? String(part) : part),
      message: issue.message,
      keys: issue.code === "unrecognized_keys" ? issue.keys : undefined,
    }));
  }
  return inspection;
}

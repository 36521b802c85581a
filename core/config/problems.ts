// What a schema finds wrong, in our words. Pure.
import type { Problem } from "../plugin.ts";

/** A finding of zod, as data. */
export interface Issue {
  code: string;
  path: PropertyKey[];
  message: string;
  /** Names that no setting has. */
  keys?: string[];
}

/** Findings as problems; `section` is put before the path, `known` are names to suggest for unknown ones. */
export function problemsOf(
  section: string,
  issues: Issue[],
  raw: unknown,
  known: (path: PropertyKey[]) => string[] = () => [],
): Problem[] {
  return issues.flatMap((issue) => {
    if (issue.code === "unrecognized_keys") {
      return (issue.keys ?? []).map((key) => {
        const path = dotted(section, [...issue.path, key]);
        const near = nearest(key, known(issue.path));
        return {
          code: "setting-unknown",
          path,
          message: `Cannot set ${path} as there is no such setting`,
          next: near ? `Did you mean "${near}"?` : undefined,
        };
      });
    }
    const path = dotted(section, issue.path);
    const value = issue.path.reduce<unknown>(
      (inner, key) => (inner as Record<PropertyKey, unknown> | undefined)?.[key],
      raw,
    );
    const rule = issue.message.replace(/^Invalid (input|option): /, "it must be ").replace(
      /must be expected/,
      "must be",
    ).replace(/expected /, "");
    return [{
      code: "setting-invalid",
      path,
      message: `Cannot set ${path} as ${rule.charAt(0).toLowerCase()}${rule.slice(1)}: current value is ${
        JSON.stringify(value) ?? '"nothing"'
      }`,
    }];
  });
}

/** The known name that a typing error away, undefined when none is near. */
export function nearest(name: string, known: string[]): string | undefined {
  const [best] = known.map((candidate) => ({
    candidate,
    steps: distance(name.toLowerCase(), candidate.toLowerCase()),
  }))
    .sort((a, b) => a.steps - b.steps);
  return best && best.steps <= Math.max(2, name.length / 3) ? best.candidate : undefined;
}

/** Levenshtein's edit distance. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (const [i, letter] of [...a].entries()) {
    const next = [i + 1];
    for (const [j, other] of [...b].entries()) {
      next.push(Math.min(row[j]! + (letter === other ? 0 : 1), row[j + 1]! + 1, next[j]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}

function dotted(section: string, path: PropertyKey[]): string {
  return [section, ...path.map(String)].join(".");
}

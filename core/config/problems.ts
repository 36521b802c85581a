// What a schema finds wrong, in our words. Pure.
import type { Problem } from "../contract/mod.ts";

/** A finding of zod, as data. */
export interface Issue {
  code: string;
  path: PropertyKey[];
  message: string;
  /** Names that no setting has. */
  keys?: string[];
  /** What the name itself breaks, for `invalid_key`. */
  issues?: { message: string }[];
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
    // For a name that breaks its rule the name is the value to show, not what stands under it.
    const isName = issue.code === "invalid_key";
    const value = isName ? issue.path.at(-1) : issue.path.reduce<unknown>(
      (inner, key) => (inner as Record<PropertyKey, unknown> | undefined)?.[key],
      raw,
    );
    const rule = ruleOf(isName && issue.issues?.[0]?.message || issue.message);
    return [{
      code: "setting-invalid",
      path,
      message: `Cannot set ${path} as ${rule.charAt(0).toLowerCase()}${rule.slice(1)}: current value is ${
        JSON.stringify(value) ?? '"nothing"'
      }`,
    }];
  });
}

/** zod's English, in the words of our sentences. */
function ruleOf(message: string): string {
  return message
    .replace(/, received \w+$/, "")
    .replace(/^Invalid (input|option): expected /, "it must be ")
    .replace(/^Too (big|small): expected \w+ to (be|have) /, "it must $2 ")
    .replace("<=", "at most ").replace(">=", "at least ").replace("<", "less than ").replace(
      ">",
      "more than ",
    )
    .replaceAll('"|"', '" or "');
}

/** The known name that is a typing error away, undefined when none is near. */
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

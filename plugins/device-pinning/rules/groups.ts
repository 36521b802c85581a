// Turns many clauses into few lookups: neighbours of one shape share a verdict map, in an order that keeps "the first match
// wins". Pure.
import { type Clause, meet } from "./clauses.ts";

/** Clauses that one lookup decides, none meeting another. */
export interface Group {
  shape: string;
  clauses: Clause[];
}

/** What a clause looks at; clauses on DNS answers stay alone, for each has a set of its own. */
export function shapeOf({ rule, mac, address, named, ports }: Clause): string {
  return [mac && "mac", address && "address", named && `named ${rule}`, ports && "ports"].filter(Boolean)
    .join(" ");
}

/**
 * Groups clauses given in the order of their rules. A clause joins an earlier group of its shape when it can meet nothing in
 * that group or in those after it, so that moving it up changes no decision.
 */
export function groupClauses(clauses: Clause[]): Group[] {
  const groups: Group[] = [];
  for (const clause of clauses) {
    const shape = shapeOf(clause);
    let home: Group | undefined;
    if (!clause.named) {
      for (let index = groups.length - 1; index >= 0; index--) {
        const group = groups[index]!;
        if (group.clauses.some((other) => meet(other, clause))) break;
        if (group.shape === shape) {
          home = group;
          break;
        }
      }
    }
    if (home) home.clauses.push(clause);
    else groups.push({ shape, clauses: [clause] });
  }
  return groups;
}

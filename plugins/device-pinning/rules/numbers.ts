// Numbers of rules in marks, counters and sets: a running connection's mark must go on meaning the rule that decided it. Pure.

/** Numbers given so far, by rule; `last` is the newest one. */
export interface Numbering {
  numbers: { [rule: string]: number };
  last: number;
}

/** Keeps numbers, gives new rules the next ones, and uses those of former rules again as late as can be. */
export function number(rules: string[], { numbers: former, last }: Numbering, max: number): Numbering {
  const kept = rules.filter((name) => Object.hasOwn(former, name)).map((name) =>
    [name, former[name]!] as const
  );
  const numbers: { [rule: string]: number } = Object.fromEntries(kept);
  const taken = new Set(Object.values(numbers));
  for (const name of rules) {
    if (Object.hasOwn(numbers, name) || taken.size >= max) continue;
    do last = last % max + 1; while (taken.has(last));
    numbers[name] = last;
    taken.add(last);
  }
  return { numbers, last };
}

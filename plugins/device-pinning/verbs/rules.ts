// The ordered rules as a person adds, changes and moves them: pure edits of the settings, and the list of all.
import * as z from "zod/mini";
import { action, type Block, edit, field, OtbError, unknown } from "@otb/plugin";
import type { Config, Match, Rule } from "../config.ts";
import { ifDead, plain } from "./devices.ts";

/** A rule, and what it comes to while the plugin runs. */
type Shown = Rule & { now?: string; hits?: number };

/** Who knows what rules come to. */
interface Judge {
  shownRules(): Shown[];
}

const NAME = field(z.string(), { positional: true, metavar: "NAME", description: "The rule's name." });

const before = field(z.optional(z.string()), {
  metavar: "RULE",
  description: "Put it before this rule; without it, at the end.",
});

const texts = () => z.optional(z.array(z.string()));

/** What a rule matches and says; each optional, names as in the settings. */
const parts = {
  device: field(z.optional(z.string()), {
    metavar: "DEVICE",
    description: "One device, by MAC address or given name.",
  }),
  group: field(z.optional(z.string()), { metavar: "GROUP", description: "All devices of a group." }),
  domains: field(texts(), {
    option: "--domain",
    metavar: "NAME",
    description: "Targets by name, with everything below; may be given several times.",
  }),
  addresses: field(texts(), {
    option: "--address",
    metavar: "CIDR",
    description: "Targets by address range; may be given several times.",
  }),
  protocol: field(z.optional(z.enum(["tcp", "udp"])), { description: "This protocol only." }),
  ports: field(texts(), {
    option: "--port",
    metavar: "P[-Q]",
    description: "Target ports; may be given several times.",
  }),
  application: field(z.optional(z.string()), {
    metavar: "APP",
    description: "A known application instead of targets and ports, such as sip or wifi-calling.",
  }),
  way: field(z.optional(z.enum(["bonded", "link", "block"])), {
    description: "Over all links, over one link alone (--link says which), or not at all.",
  }),
  link: field(z.optional(z.string()), { metavar: "LINK", description: "The link for --way link." }),
  ifDead: ifDead(),
};

const add = edit({
  title: "Add a rule",
  summary: "Add a rule.",
  verb: "rule add",
  example: "sudo otb rule add calls --application wifi-calling --link fibre --if-dead other-link",
  args: z.strictObject({ name: NAME, ...parts, before }),
  edit({ name, before, ...options }, { rules }: Config) {
    if (rules.some((rule) => rule.name === name)) {
      throw new OtbError(
        "rule-exists",
        `Cannot add rule "${name}" as there is one of that name: current value is "${name}"`,
        `otb rule set ${name}, or choose another name.`,
      );
    }
    const { match, ...says } = partsOf(options);
    if (!says.way) {
      throw new OtbError(
        "usage",
        `Cannot add rule "${name}" as it must say --way or --link`,
        "otb rule add --help",
      );
    }
    const next = placed(rules, { name, match, ...says } as Rule, before);
    return { patch: { rules: plain(next) }, done: `Rule "${name}" added` };
  },
});

const set = edit({
  title: "Change a rule",
  summary: "Change a rule; lists that are given replace the former ones.",
  verb: "rule set",
  example: "sudo otb rule set calls --link cable",
  args: z.strictObject({
    name: NAME,
    ...parts,
    enabled: field(z.optional(z.enum(["yes", "no"])), { description: "no: as if it were not there." }),
    unset: field(
      z.optional(
        z.array(
          z.enum(["device", "group", "domains", "addresses", "protocol", "ports", "application", "link"]),
        ),
      ),
      { description: "No longer look at this; may be given several times." },
    ),
  }),
  edit({ name, unset = [], enabled, ...options }, { rules }: Config) {
    const { match, ...says } = partsOf(options);
    if (Object.keys(match).length + Object.keys(says).length + unset.length === 0 && !enabled) {
      throw new OtbError(
        "usage",
        `Cannot change rule "${name}" as no setting was named`,
        "otb rule set --help",
      );
    }
    mustBeKnown(rules, name);
    const without = (object: object) =>
      Object.fromEntries(
        Object.entries(object).filter(([key]) => !(unset as readonly string[]).includes(key)),
      );
    const next = rules.map((rule) =>
      rule.name !== name ? rule : {
        ...without(rule),
        // A link goes with the way that takes one.
        ...says.way && says.way !== "link" ? { link: undefined } : {},
        ...says,
        ...enabled ? { enabled: enabled === "yes" } : {},
        match: { ...without(rule.match), ...match },
      }
    );
    return { patch: { rules: plain(next) }, done: `Rule "${name}" changed` };
  },
});

const remove = edit({
  title: "Remove a rule",
  summary: "Remove a rule.",
  verb: "rule remove",
  example: "sudo otb rule remove calls",
  args: z.strictObject({ name: NAME }),
  edit({ name }, { rules }: Config) {
    mustBeKnown(rules, name);
    return {
      patch: { rules: plain(rules.filter((rule) => rule.name !== name)) },
      done: `Rule "${name}" removed`,
    };
  },
});

const move = edit({
  title: "Move a rule",
  summary: "Move a rule before another one, or to the end.",
  verb: "rule move",
  example: "sudo otb rule move calls --before everything",
  args: z.strictObject({ name: NAME, before }),
  edit({ name, before }, { rules }: Config) {
    mustBeKnown(rules, name);
    const rule = rules.find((rule) => rule.name === name)!;
    const next = before === name ? rules : placed(rules.filter((other) => other !== rule), rule, before);
    return { patch: { rules: plain(next) }, done: `Rule "${name}" moved` };
  },
});

/** `otb rule list`. */
export const rules = action({
  title: "Rules",
  summary: "List the rules in their order, with how many connections each has decided.",
  verb: "rule list",
  // Where a new one stands in the order of help, adding comes first.
  after: "add",
  run: (judge: Judge) => plain({ rules: judge.shownRules() }),
  idle: (_, { rules }: Config) => plain({ rules }),
  show: ({ rules }: { rules: Shown[] }): Block[] => [{
    kind: "table",
    empty: "No rule: everything is bonded. sudo otb rule add NAME ...",
    columns: [
      { title: "Rule", shrink: true },
      { title: "Matches", shrink: true },
      { title: "Says", shrink: true },
      { title: "Now", shrink: true },
      { title: "Hits", align: "right" },
    ],
    rows: rules.map((rule) => ({
      cells: [
        rule.name,
        matches(rule),
        rule.way === "link" ? `link ${rule.link}, else ${rule.ifDead}` : rule.way,
        rule.now ?? (rule.enabled === false ? "off" : ""),
        rule.hits ?? "",
      ],
      actions: [{ action: "rule-remove", args: { name: rule.name } }],
    })),
  }],
});

/** Everything that a person changes about rules. */
export const ruleEdits = { "rule-add": add, "rule-set": set, "rule-remove": remove, "rule-move": move };

/** What help says of `otb rule`. */
export const ruleGroup = {
  summary:
    "Which connections go over all links, over one alone, or nowhere; the first rule that matches decides.",
  example: "sudo otb rule add calls --application wifi-calling --link fibre",
};

/** What was given of a rule, as it is set. */
function partsOf({ way, link, ifDead, ...match }: {
  way?: string;
  link?: string;
  ifDead?: string;
  [part: string]: string | readonly string[] | undefined;
}): { way?: string; link?: string; ifDead?: string; match: Match } {
  return {
    ...given({ way: way ?? (link === undefined ? undefined : "link"), link, ifDead }),
    match: given(match),
  };
}

/** Everything that a rule matches, in one line. */
function matches({ match }: Rule): string {
  const words = Object.values(given(match)).map((value) => Array.isArray(value) ? value.join(" ") : value);
  return words.length > 0 ? words.join(", ") : "everything";
}

function given<T extends object>(parts: T): Partial<T> {
  return Object.fromEntries(Object.entries(parts).filter(([, value]) => value !== undefined)) as Partial<T>;
}

/** @throws OtbError `rule-unknown` */
function placed(rules: Rule[], rule: Rule, before: string | undefined): Rule[] {
  if (before === undefined) return [...rules, rule];
  const index = rules.findIndex(({ name }) => name === before);
  if (index < 0) throw unknown("rule", before, rules.map(({ name }) => name));
  return [...rules.slice(0, index), rule, ...rules.slice(index)];
}

/** @throws OtbError `rule-unknown` */
function mustBeKnown(rules: Rule[], name: string): void {
  if (!rules.some((rule) => rule.name === name)) throw unknown("rule", name, rules.map(({ name }) => name));
}

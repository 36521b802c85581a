// `otb rule`: the ordered rules by which connections go over the bond, over one link, or nowhere.
import { message } from "@optique/core/message";
import { multiple, optional } from "@optique/core/modifiers";
import { argument, option } from "@optique/core/primitives";
import { choice, string } from "@optique/core/valueparser";
import { type Core, OtbError } from "../client/mod.ts";
import { change } from "./change.ts";
import { given, ifDead, yes } from "./options.ts";
import { pinningPatch, readPinning, type Rule } from "./pinning.ts";
import { table } from "./table.ts";
import { UsageError } from "./terminal.ts";
import { unknown } from "./unknown.ts";
import { group, verb } from "./verb.ts";

const nameArgument = argument(string({ metavar: "NAME" }), { description: message`The rule's name.` });

const before = optional(option("--before", string({ metavar: "RULE" }), {
  description: message`Put it before this rule; without it, at the end.`,
}));

/** What a rule matches and says; each optional, names as in the configuration. */
const parts = {
  device: optional(option("--device", string({ metavar: "DEVICE" }), {
    description: message`One device, by MAC address or given name.`,
  })),
  group: optional(option("--group", string({ metavar: "GROUP" }), {
    description: message`All devices of a group.`,
  })),
  domains: multiple(option("--domain", string({ metavar: "NAME" }), {
    description: message`Targets by name, with everything below; may be given several times.`,
  })),
  addresses: multiple(option("--address", string({ metavar: "CIDR" }), {
    description: message`Targets by address range; may be given several times.`,
  })),
  protocol: optional(
    option("--protocol", choice(["tcp", "udp"]), { description: message`This protocol only.` }),
  ),
  ports: multiple(option("--port", string({ metavar: "P[-Q]" }), {
    description: message`Target ports; may be given several times.`,
  })),
  application: optional(option("--application", string({ metavar: "APP" }), {
    description: message`A known application instead of targets and ports, such as sip or wifi-calling.`,
  })),
  way: optional(option("--way", choice(["bonded", "link", "block"]), {
    description: message`Over all links, over one link alone (--link says which), or not at all.`,
  })),
  link: optional(
    option("--link", string({ metavar: "LINK" }), { description: message`The link for --way link.` }),
  ),
  ifDead: optional(ifDead),
};

const add = verb("add", {
  brief: "Add a rule.",
  example: "sudo otb rule add calls --application wifi-calling --link fibre --if-dead other-link",
  options: { name: nameArgument, ...parts, before, yes },
  run: ({ name, before, yes, ...options }, cli) =>
    cli.withCore(async (core) => {
      const { rules, revision } = await read(core);
      if (rules.some((rule) => rule.name === name)) {
        throw new OtbError(
          "rule-exists",
          `Cannot add rule "${name}" as there is one of that name: current value is "${name}"`,
          `otb rule set ${name}, or choose another name.`,
        );
      }
      const { match, ...says } = partsOf(options);
      if (!says.way) {
        throw new UsageError(
          `Cannot add rule "${name}" as it must say --way or --link`,
          "otb rule add --help",
        );
      }
      const rule = { name, match, ...says } as Rule;
      await change(core, cli, {
        base: revision,
        done: `Rule "${name}" added`,
        patch: pinningPatch({ rules: placed(rules, rule, before) }),
        yes,
      });
    }),
});

const set = verb("set", {
  brief: "Change a rule; lists that are given replace the former ones.",
  example: "sudo otb rule set calls --link cable",
  options: {
    name: nameArgument,
    ...parts,
    enabled: optional(option("--enabled", choice(["yes", "no"]), {
      description: message`no: as if it were not there.`,
    })),
    unset: multiple(
      option(
        "--unset",
        choice(["device", "group", "domains", "addresses", "protocol", "ports", "application", "link"]),
        { description: message`No longer look at this; may be given several times.` },
      ),
    ),
    yes,
  },
  run: ({ name, yes, unset, enabled, ...options }, cli) =>
    cli.withCore(async (core) => {
      const { match, ...says } = partsOf(options);
      if (Object.keys(match).length + Object.keys(says).length + unset.length === 0 && !enabled) {
        throw new UsageError(`Cannot change rule "${name}" as no setting was named`, "otb rule set --help");
      }
      const { rules, revision } = await known(core, name);
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
      await change(core, cli, {
        base: revision,
        done: `Rule "${name}" changed`,
        patch: pinningPatch({ rules: next.map((rule) => given(rule)) }),
        yes,
      });
    }),
});

const remove = verb("remove", {
  brief: "Remove a rule.",
  example: "sudo otb rule remove calls",
  options: { name: nameArgument, yes },
  run: ({ name, yes }, cli) =>
    cli.withCore(async (core) => {
      const { rules, revision } = await known(core, name);
      await change(core, cli, {
        base: revision,
        done: `Rule "${name}" removed`,
        patch: pinningPatch({ rules: rules.filter((rule) => rule.name !== name) }),
        yes,
      });
    }),
});

const move = verb("move", {
  brief: "Move a rule before another one, or to the end.",
  example: "sudo otb rule move calls --before everything",
  options: { name: nameArgument, before, yes },
  run: ({ name, before, yes }, cli) =>
    cli.withCore(async (core) => {
      const { rules, revision } = await known(core, name);
      const rule = rules.find((rule) => rule.name === name)!;
      const next = before === name ? rules : placed(rules.filter((other) => other !== rule), rule, before);
      await change(core, cli, {
        base: revision,
        done: `Rule "${name}" moved`,
        patch: pinningPatch({ rules: next }),
        yes,
      });
    }),
});

const list = verb("list", {
  brief: "List the rules in their order, with how many connections each has decided.",
  example: "sudo otb rule list",
  options: {},
  run: (_, { print, withCore, terminal }) =>
    withCore(async (core) => {
      const { rules } = await read(core);
      const live = core.live
        ? await core.act("device-pinning", "rules") as unknown as {
          name: string;
          now: string;
          hits: number;
        }[]
        : [];
      const shown = rules.map((rule) => ({ ...rule, ...live.find(({ name }) => name === rule.name) }));
      print({ rules: shown }, () =>
        shown.length === 0 ? "No rule: everything is bonded. sudo otb rule add NAME ..." : table(
          [
            { title: "RULE", shrink: true },
            { title: "MATCHES", shrink: true },
            { title: "SAYS", shrink: true },
            { title: "NOW", shrink: true },
            { title: "HITS", align: "right" },
          ],
          shown.map((rule) => [
            rule.name,
            matches(rule),
            rule.way === "link" ? `link ${rule.link}, else ${rule.ifDead}` : rule.way,
            "now" in rule ? String(rule.now) : rule.enabled === false ? "off" : "",
            "hits" in rule ? String(rule.hits) : "",
          ]),
          terminal.width,
        ));
    }),
});

/** `otb rule`. */
export const ruleVerbs = group(
  "rule",
  "Which connections go over all links, over one alone, or nowhere; the first rule that matches decides.",
  [add, list, set, remove, move],
  "sudo otb rule add calls --application wifi-calling --link fibre",
);

/** What was given of a rule, as it is set. */
function partsOf({ way, link, ifDead, ...match }: {
  way?: string;
  link?: string;
  ifDead?: string;
  [part: string]: string | readonly string[] | undefined;
}): Partial<Omit<Rule, "match">> & { match: Rule["match"] } {
  return {
    ...given({ way: way ?? (link === undefined ? undefined : "link"), link, ifDead }),
    match: Object.fromEntries(Object.entries(given(match)).filter(([, value]) => value!.length > 0)),
  };
}

/** Everything that a rule matches, in one line. */
function matches({ match }: Rule): string {
  const words = Object.values(given(match)).map((value) => Array.isArray(value) ? value.join(" ") : value);
  return words.length > 0 ? words.join(", ") : "everything";
}

/** @throws OtbError `rule-unknown` */
function placed(rules: Rule[], rule: Rule, before: string | undefined): Rule[] {
  if (before === undefined) return [...rules, rule];
  const index = rules.findIndex(({ name }) => name === before);
  if (index < 0) throw unknown("rule", before, rules.map(({ name }) => name));
  return [...rules.slice(0, index), rule, ...rules.slice(index)];
}

async function read(core: Core): Promise<{ rules: Rule[]; revision: number }> {
  const { settings, revision } = await readPinning(core);
  return { rules: settings.rules, revision };
}

/** @throws OtbError `rule-unknown` */
async function known(core: Core, name: string) {
  const found = await read(core);
  if (found.rules.some((rule) => rule.name === name)) return found;
  throw unknown("rule", name, found.rules.map(({ name }) => name));
}

// What contradicts what in the settings, beyond their schema; and what a person should know though it is allowed. Pure.
import type { Problem, World } from "@otb/plugin";
import { APPLICATIONS } from "./rules/applications.ts";
import { clausesOf, covers, macsOf, portRange, rangeOf, sizeOf } from "./rules/clauses.ts";
import type { Config, Rule } from "./config.ts";

/** All rules together stand for at most this many clauses: building the table takes time with their square. */
export const MAX_CLAUSES = 8_000;

/** Every problem; empty when the settings can be used. */
export function check(config: Config, { links }: Pick<World, "links">): Problem[] {
  const problems: Problem[] = [];
  const refuse = (code: string, path: string, message: string, next?: string) =>
    problems.push({ code, path, message, next });
  const { devices, rules } = config;

  const owners = new Map<string, string>();
  for (const [mac, { name }] of Object.entries(devices)) {
    if (name === undefined) continue;
    const other = owners.get(name);
    if (other) {
      refuse(
        "device-name-twice",
        `devices.${mac}.name`,
        `Cannot name ${mac} so as ${other} has this name: current value is "${name}"`,
      );
    }
    owners.set(name, mac);
  }
  const names = new Map<string, number>(), matches = new Map<string, Rule>();
  for (const [index, rule] of rules.entries()) {
    const at = (field: string) => `rules.${index}${field}`;
    const cannot = `Cannot use rule "${rule.name}" as`;
    if (names.has(rule.name)) {
      refuse(
        "rule-exists",
        at(".name"),
        `${cannot} rule ${names.get(rule.name)} has the same name: current value is "${rule.name}"`,
      );
    }
    names.set(rule.name, index);
    if (rule.way === "link" && rule.link === undefined) {
      refuse(
        "link-missing",
        at(".link"),
        `${cannot} the way "link" needs the name of one`,
        "Add --link NAME.",
      );
    }
    if (rule.way !== "link" && rule.link !== undefined) {
      refuse(
        "link-unused",
        at(".link"),
        `${cannot} only the way "link" takes one: current value is "${rule.link}"`,
        "Set the way to link, or leave the link out.",
      );
    }
    if (rule.link !== undefined && !links.some(({ name }) => name === rule.link)) {
      refuse(
        "link-unknown",
        at(".link"),
        `${cannot} its link must be one of ${
          links.map(({ name }) => name).join(", ") || "those that are there, and there is none"
        }: current value is "${rule.link}"`,
        "otb link list",
      );
    }
    checkMatch(
      rule,
      config,
      (code, field, message, next) => refuse(code, at(field), `${cannot} ${message}`, next),
    );
    if (!rule.enabled) continue;
    const text = JSON.stringify(Object.entries(rule.match).sort());
    const twin = matches.get(text);
    if (twin) {
      const same = twin.way === rule.way && twin.link === rule.link && twin.ifDead === rule.ifDead;
      refuse(
        same ? "rule-twice" : "rule-contradicts",
        at(""),
        `${cannot} rule "${twin.name}" before it matches exactly the same${
          same ? "" : " and says otherwise"
        }: current value is "${rule.way}${rule.link ? ` ${rule.link}` : ""}"`,
        `otb rule remove ${rule.name}, or disable one of them.`,
      );
    }
    matches.set(text, rule);
  }
  const clauses = rules.filter(({ enabled }) => enabled).reduce((sum, rule) => sum + sizeOf(rule, config), 0);
  if (clauses > MAX_CLAUSES) {
    refuse(
      "rules-too-many",
      "rules",
      `Cannot use the rules as together they may stand for ${MAX_CLAUSES} combinations of device, range and port: current value is "${clauses}"`,
      "Use ranges instead of single addresses and ports.",
    );
  }
  return problems;
}

function checkMatch(
  { match, way }: Rule,
  { devices }: Config,
  refuse: (code: string, field: string, message: string, next?: string) => void,
): void {
  const macs = macsOf(match, devices);
  if (macs?.length === 0) {
    const field = match.device !== undefined ? "device" : "group";
    refuse(
      "device-unknown",
      `.match.${field}`,
      `its ${field} must be known: current value is "${match[field]}"`,
      field === "device" ? "otb device name MAC NAME" : "otb device set DEVICE --group GROUP",
    );
  }
  const strict = macs?.filter((mac) => devices[mac]?.whenPeerGone === "block") ?? [];
  if (way === "link" && match.device !== undefined && strict.length > 0) {
    refuse(
      "pin-against-kill-switch",
      ".way",
      `device "${match.device}" has a kill-switch of its own, and nothing of it may leave past the peer: current value is "link"`,
      "Take the device's whenPeerGone away, or the rule.",
    );
  }
  if (match.application !== undefined) {
    if (!APPLICATIONS.has(match.application)) {
      refuse(
        "application-unknown",
        ".match.application",
        `its application must be one of ${
          [...APPLICATIONS.keys()].join(", ")
        }: current value is "${match.application}"`,
      );
    }
    const other = (["domains", "addresses", "protocol", "ports"] as const).find((field) =>
      match[field] !== undefined
    );
    if (other) {
      refuse(
        "application-mixed",
        `.match.${other}`,
        `an application brings its own targets and ports: current value is "${match[other]}"`,
        "Make two rules of it.",
      );
    }
  }
  for (const [index, range] of (match.addresses ?? []).entries()) {
    if (rangeOf(range)) continue;
    refuse(
      "address-invalid",
      `.match.addresses.${index}`,
      `an address range must be one of IPv4 or IPv6: current value is "${range}"`,
    );
  }
  for (const [index, ports] of (match.ports ?? []).entries()) {
    if (portRange(ports)) continue;
    refuse(
      "port-invalid",
      `.match.ports.${index}`,
      `ports go from 1 to 65535, the smaller one first: current value is "${ports}"`,
    );
  }
}

/** Rules that can never decide anything, with the earlier rule that takes everything of theirs. */
export function shadowed(config: Config): { rule: string; by: string }[] {
  const rules = config.rules.filter(({ enabled }) => enabled);
  const clauses = rules.map((rule) => [...clausesOf(rule, 4, config), ...clausesOf(rule, 6, config)]);
  return rules.flatMap((rule, index) => {
    const own = clauses[index]!;
    const by = own.length === 0
      ? -1
      : clauses.slice(0, index).findIndex((earlier) =>
        own.every((clause) => earlier.some((other) => covers(other, clause)))
      );
    return by < 0 ? [] : [{ rule: rule.name, by: rules[by]!.name }];
  });
}

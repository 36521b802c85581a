// Everything that a plugin may know of the core, by the name `@otb/plugin`. A plugin imports this, its own files, pinned libraries and,
// only where its manifest declares it, core/native/ffi.ts.
export { accepted } from "./accepted.ts";
export { type CommandOptions, type CommandOutcome, runCommand } from "./command.ts";
export { canonicalAddress, canonicalRange, isInside, isIpv6, overlaps, unmappedAddress } from "./address.ts";
export {
  inRange,
  IPV4,
  ipv4Mask,
  type Ipv4Network,
  ipv4Network,
  ipv4Number,
  type Ipv4Range,
  ipv4Text,
  isIpv4,
  isWithin,
  PRIVATE4,
  rangesMeet,
  rangeWithout,
  SHARED4,
} from "./ipv4.ts";
export { boundedLength, isOddLength, nearOf, onLinkOf } from "./near.ts";
export type { Resource } from "../net/model.ts";
export {
  CONNECTION_MARK,
  hex,
  MARK,
  markOf,
  masked,
  MOST_SLOTS,
  ROUTING_TABLE,
  RULE_PRIORITY,
  RULE_SHIFT,
} from "../net/numbers.ts";
export { isRange, targetFilter, type TargetRule, targetRules } from "./targets.ts";
export {
  type Action,
  action,
  type Answer,
  type Ask,
  type Edit,
  edit,
  type Edited,
  type VerbGroup,
} from "./action.ts";
export type { Clock, Context, Facts, Log, Status, Store, View } from "./context.ts";
export { OtbError, type Problem } from "./errors.ts";
export { type Fact, fact, type FactOf, factOf, type FactValue } from "./fact.ts";
export * from "./facts/mod.ts";
export { field, type FieldHints } from "./field.ts";
export {
  bytes,
  duration,
  lossShort,
  lossWords,
  milliseconds,
  percent,
  plural,
  rate,
  rateOf,
} from "./figures.ts";
export {
  type Code,
  type ConditionRule,
  drawn,
  type HealthCondition,
  type Phrased,
  type Raised,
  type Reference,
  say,
  type Words,
  words,
} from "./health.ts";
export type { Json } from "./json.ts";
export { type BoxKey, readBoxes, readKey } from "./keys.ts";
export type { Lan, Link, Network, Peer, Role, Tier, World } from "./network.ts";
export type {
  Finding,
  Foresight,
  Guide,
  GuideAnswer,
  GuideQuestion,
  GuideStep,
  Loss,
  Machine,
} from "./occasions.ts";
export {
  type ActionReference,
  type Block,
  type Cell,
  type Page,
  page,
  type TableColumn,
  type TableRow,
  type Viewer,
} from "./page.ts";
export { CONTRACT_VERSION, definePlugin, type Ending, type Plugin } from "./plugin.ts";
export type { Program, ProgramSpec, ProgramWatcher } from "./program.ts";
export { type ProgramFollower, type ProgramKind, SupervisedProgram } from "./supervised_program.ts";
export { unknown } from "./unknown.ts";
export {
  type Language,
  LANGUAGES,
  type Parameters,
  type Phrase,
  type Texts,
  texts,
  translation,
  type Value,
} from "./text.ts";

// Typed access to a running core, or to its files while none runs: all of core that the CLI and the web UI import.
export { type AddedPlugin, addPlugin, removePlugin } from "../enrol/added.ts";
export { initialiseBox, initialiseCloud } from "../enrol/init.ts";
export { decodeJoinCode } from "../enrol/join_code.ts";
export { VERSION } from "./version.ts";
export { difference, getPath, mergePatch, patchAt } from "../config/patch.ts";
export {
  bytes,
  CONTRACT_VERSION,
  duration,
  LANGUAGES,
  lossShort,
  milliseconds,
  OtbError,
  overlaps,
  percent,
  plural,
  rate,
  rateOf,
  say,
  texts,
  translation,
  unknown,
  words,
} from "../contract/mod.ts";
export { type DeclaredHere, declaredHere, declaredWords, foreseen } from "./declared.ts";
export type { DeclaredArgs, DeclaredField } from "../supervisor/declared.ts";
export { Listeners } from "../running/listeners.ts";
export { formatLine } from "../running/log.ts";
export { harmless, jsonText, printable } from "./printable.ts";
export type {
  Answer,
  Block,
  Finding,
  GuideAnswer,
  GuideQuestion,
  GuideStep,
  HealthCondition,
  HeldLinkFact,
  Json,
  Language,
  Link,
  Loss,
  Machine,
  PathDirection,
  PathFact,
  Phrased,
  Problem,
  Role,
  Status,
  Tier,
  TunnelFact,
  TunnelPathFact,
  Viewer,
} from "../contract/mod.ts";
export { connect } from "./connect.ts";
export type {
  Author,
  BoxReport,
  ConfigSnapshot,
  Core,
  DeclaredAction,
  DeclaredPage,
  Difference,
  EditResult,
  HealthReport,
  LogLine,
  PendingChange,
  PluginEffect,
  PluginReport,
  Proposal,
  ProposalResult,
  Revision,
  StatusReport,
} from "./types.ts";

// Typed access to a running core, or to its files while none runs: all of core that the CLI and the web UI import.
export { type AddedPlugin, addPlugin, removePlugin } from "../enrol/added.ts";
export { initialiseBox, initialiseCloud } from "../enrol/init.ts";
export { decodeJoinCode } from "../enrol/join_code.ts";
export { VERSION } from "./version.ts";
export { difference, getPath, mergePatch, patchAt } from "../config/patch.ts";
export {
  CONTRACT_VERSION,
  LANGUAGES,
  OtbError,
  overlaps,
  say,
  texts,
  translation,
  words,
} from "../contract/mod.ts";
export { Listeners } from "../running/listeners.ts";
export { formatLine } from "../running/log.ts";
export { harmless, jsonText, printable } from "./printable.ts";
export type {
  HealthCondition,
  HeldLinkFact,
  Json,
  Language,
  Link,
  PathDirection,
  PathFact,
  Phrased,
  Problem,
  Role,
  Status,
  Tier,
  TunnelFact,
  TunnelPathFact,
} from "../contract/mod.ts";
export { connect } from "./connect.ts";
export type {
  Author,
  BoxReport,
  ConfigSnapshot,
  Core,
  Difference,
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

// What core and plugin process say to each other over their socket. Types only.
import type {
  Json,
  Link,
  Network,
  Parameters,
  ProgramSpec,
  Resource,
  Role,
  Status,
  Words,
} from "../contract/mod.ts";

/** Plugin to core, once per connection; `started` when the core was restarted under a running plugin. */
export interface Hello {
  pid: number;
  started: boolean;
  claims: [key: string, resources: Resource[]][];
  programs: [key: string, spec: ProgramSpec][];
  facts: [id: string, value: Json][];
  /** Conditions that stand. */
  health: HealthNotice[];
  /** What it says to people; absent where it raises nothing of its own. */
  words?: Words;
  status: Status;
}

/** Core to plugin: begin. */
export interface Start {
  name: string;
  role: Role;
  directory: string;
  /** Settings as stored; the plugin's own schema fills in the defaults. */
  config: Json;
  secrets: { [name: string]: string };
  links: Link[];
  network: Network;
  facts: [id: string, value: Json][];
  reads: string[];
  publishes: string[];
}

/** What becomes of new settings: taken, or the core must restart the plugin. */
export interface ReloadAnswer {
  taken: boolean;
}

/** Plugin to core: a condition is raised, or cleared with null. */
export type HealthNotice = [code: string, parameters: Parameters | null];

/** Core to plugin: what a program said, or that it ended by itself. */
export type ProgramNotice = [key: string, news: { lines: string[] } | { ended: string }];

/** One log line on its way to the core; secrets are masked already. */
export interface LogNotice {
  level: "debug" | "info" | "warning" | "error";
  message: string;
  properties?: Record<string, unknown>;
}

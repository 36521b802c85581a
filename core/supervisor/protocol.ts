// What core and plugin process say to each other over their socket. Types only.
import type {
  HealthCondition,
  Json,
  Link,
  Network,
  ProgramSpec,
  Resource,
  Role,
  Status,
} from "../contract/mod.ts";

/** Plugin to core, once per connection; `started` when the core was restarted under a running plugin. */
export interface Hello {
  pid: number;
  started: boolean;
  claims: [key: string, resources: Resource[]][];
  programs: [key: string, spec: ProgramSpec][];
  facts: [id: string, value: Json][];
  health: HealthCondition[];
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

/** Core to plugin: what a program said, or that it ended by itself. */
export type ProgramNotice = [key: string, news: { lines: string[] } | { ended: string }];

/** One log line on its way to the core; secrets are masked already. */
export interface LogNotice {
  level: "debug" | "info" | "warning" | "error";
  message: string;
  properties?: Record<string, unknown>;
}

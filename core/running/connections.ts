// The TCP connections that are carried, as one of the plugins counts them.
import type { PluginReport, StatusReport } from "../client/types.ts";

/** The proxy's counters, whichever plugin publishes them. */
export function connectionsOf(plugins: PluginReport[]): StatusReport["connections"] {
  const none = { open: 0, total: 0, refused: 0, protocol: "unknown" as const };
  const found = plugins.map(({ status }) => status.connections).find((value) =>
    typeof value === "object" && value !== null
  );
  return { ...none, ...(found as object | undefined) };
}

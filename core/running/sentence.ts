// The whole state of a box or a peer in one sentence for a person. Pure.
import type { StatusReport } from "../client/types.ts";

/** For example `2 of 3 links carry traffic, 14 connections, 41.5 Mbit/s down, 2.1 Mbit/s up`. */
export function sentence(
  status: Pick<StatusReport, "role" | "links" | "connections" | "plugins" | "health">,
): string {
  const failed = status.plugins.filter(({ state }) => state !== "ready");
  if (failed.length > 0) {
    return `Not working fully: ${
      failed.map(({ name, state }) => `${name} is ${state.replaceAll("-", " ")}`).join(", ")
    }`;
  }
  const words: string[] = [];
  if (status.role === "box") {
    if (status.links.length === 0) return 'No link yet: add one with "otb link add"';
    const up = status.links.filter(({ observed, path }) =>
      observed.state === "up" && path?.state !== "down" && path?.state !== "suspect"
    );
    words.push(`${up.length} of ${status.links.length} links up`);
  } else words.push("Serving");
  words.push(`${status.connections.open} connection${status.connections.open === 1 ? "" : "s"}`);
  const sum = (pick: "rxBitsPerSecond" | "txBitsPerSecond") =>
    status.links.reduce((total, { path }) => total + (path?.[pick] ?? 0), 0) / 1e6;
  if (status.role === "box") {
    words.push(
      `${sum("rxBitsPerSecond").toFixed(1)} Mbit/s down`,
      `${sum("txBitsPerSecond").toFixed(1)} Mbit/s up`,
    );
  }
  const errors = status.health.filter(({ severity }) => severity === "error").length;
  if (errors > 0) words.push(`${errors} problem${errors === 1 ? "" : "s"}`);
  return words.join(", ");
}

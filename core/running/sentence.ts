// The whole state of a box or a peer in one sentence for a person. Pure.
import type { StatusReport } from "../client/types.ts";
import { fill, type Language, type Phrase } from "../contract/text.ts";
import { coreWords } from "../texts/mod.ts";

/** For example `2 of 3 links carry traffic, 14 connections, 41.5 Mbit/s down, 2.1 Mbit/s up`. */
export function sentence(
  status: Pick<StatusReport, "role" | "links" | "connections" | "plugins" | "health">,
  language: Language = "en",
): string {
  const { phrases } = coreWords.texts[language];
  return fill("{all}", { all: parts(status) }, { language, phrases });
}

function parts(
  { role, links, connections, plugins, health }: Parameters<typeof sentence>[0],
): Phrase[] {
  const { phrase } = coreWords;
  const which = plugins.flatMap(({ name: plugin, state }) =>
    state === "ready" ? [] : [phrase("plugin-is", { plugin, state: phrase(`state-${state}`) })]
  );
  if (which.length > 0) return [phrase("not-fully", { which })];
  if (role === "box" && links.length === 0) return [phrase("no-link")];
  const up = links.filter(({ observed, path }) =>
    observed.state === "up" && path?.state !== "down" && path?.state !== "suspect"
  );
  const sum = (pick: "rxBitsPerSecond" | "txBitsPerSecond") =>
    (links.reduce((total, { path }) => total + (path?.[pick] ?? 0), 0) / 1e6).toFixed(1);
  const errors = health.filter(({ severity }) => severity === "error").length;
  return [
    role === "box" ? phrase("links-up", { up: up.length, count: links.length }) : phrase("serving"),
    phrase("connections", { count: connections.open }),
    ...role === "box" ? [phrase("rates", { down: sum("rxBitsPerSecond"), up: sum("txBitsPerSecond") })] : [],
    ...errors > 0 ? [phrase("problems", { count: errors })] : [],
  ];
}

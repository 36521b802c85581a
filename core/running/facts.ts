// What the core itself tells and follows of facts, as a plugin does by its manifest.
import {
  BOXES,
  HELD,
  INTERFACE,
  LINK,
  LINK_HEALTH,
  LISTENERS,
  PATH,
  TUNNEL,
  TUNNEL_PATH,
  WHEN_PEER_GONE,
} from "../contract/mod.ts";
import { PluginFacts } from "../contract/plugin_facts.ts";
import type { FactBoard } from "../supervisor/facts.ts";

/** The core's part of the facts. */
export const CORE_FACTS = {
  name: "core",
  reads: [HELD, LINK, LINK_HEALTH, PATH, TUNNEL, TUNNEL_PATH, WHEN_PEER_GONE].map(({ key }) => key),
  publishes: [BOXES, INTERFACE, LISTENERS].map(({ key }) => key),
};

/** The core's own end of a board. */
export function coreFacts(board: FactBoard): PluginFacts {
  // As among plugins, what another one told before is left to it.
  const facts = new PluginFacts({
    ...CORE_FACTS,
    send: (id, value) => void board.publish(CORE_FACTS, id, value),
  });
  facts.takeAll(board.of(CORE_FACTS.reads));
  board.subscribe((id, value) => facts.take(id, value));
  return facts;
}

import assert from "node:assert/strict";
import type { Context, Link, Resource } from "@otb/plugin";
import { PluginFacts } from "../../core/contract/plugin_facts.ts";
import { type Config, config } from "./config.ts";
import manifest from "./deno.json" with { type: "json" };
import plugin from "./mod.ts";

const LINK: Link = {
  name: "fibre",
  interface: "wan1",
  found: true,
  tier: "primary",
  observed: { state: "up", address: "192.0.2.2", prefixLength: 24, gateway: "192.0.2.1" },
};

/** A view that never changes. */
function still<T>(current: T) {
  return { current, subscribe: () => () => {} };
}

Deno.test("a link that comes while the plugin starts gets its routes: nobody tells of it again", async () => {
  const subscribers = new Set<(links: Link[]) => void>();
  const links = {
    current: [] as Link[],
    subscribe(onChange: (links: Link[]) => void) {
      subscribers.add(onChange);
      return () => subscribers.delete(onChange);
    },
  };
  const claimed = new Map<string, Resource[]>();
  const stop = new AbortController();
  const releases: (() => void | Promise<void>)[] = [];
  const peer = { name: "cloud", address: "127.0.0.1", port: 9 };
  const nothing = () => {};
  const ctx: Context<Config> = {
    name: "mptcp-scheduler",
    role: "box",
    config: config.parse({}),
    signal: stop.signal,
    log: { debug: nothing, info: nothing, warn: nothing, error: nothing },
    clock: { now: Date.now, monotonicMs: () => performance.now() },
    store: {
      get: () => Promise.resolve(undefined),
      set: async () => {},
      keep: async () => {},
      delete: async () => {},
    },
    facts: new PluginFacts({ name: "mptcp-scheduler", ...manifest.otb, send: nothing }),
    links,
    network: still({ role: "box", peers: [peer] }),
    directory: "",
    secret: () => "",
    defer: (release) => void releases.unshift(release),
    async claim(key, resources) {
      claimed.set(key, resources);
      if (key !== "endpoints" || links.current.length > 0) return;
      // The last of the first wishes is being applied.
      links.current = [LINK];
      for (const onChange of subscribers) onChange(links.current);
      await Promise.resolve();
    },
    program: () => assert.fail("it runs none"),
    publishStatus: nothing,
    health: { raise: nothing, clear: nothing },
  };
  try {
    await plugin.start(ctx);
    const routed = () => claimed.get("routes")!.some(({ kind }) => kind === "rule");
    for (let turn = 0; turn < 300 && !routed(); turn++) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    assert.ok(routed(), JSON.stringify([...claimed]));
  } finally {
    stop.abort();
    for (const release of releases) await release();
  }
});

// Settings that change while the plugin runs: conversations go on, and what was found out about a link stays.
import assert from "node:assert/strict";
import type { Context, Resource } from "@otb/plugin";
import { startCloud } from "./cloud.ts";
import { type Config, config } from "./config.ts";
import { LinkRates } from "./rates.ts";
import { lines, writeLine } from "./wire.ts";

const session = "0123456789abcdef0123456789abcdef";
const settings = config.parse({}) as Config;

Deno.test("a box's connection to its peer outlives a change of what calls may take, and is held anew (12, line 7)", async () => {
  const claims = new Map<string, string>(), releases: (() => unknown)[] = [];
  const claimed = Promise.withResolvers<void>();
  let port = 0;
  const path = { link: "", state: "up", publicAddress: "198.18.1.2", publicPort: 1000, session, atMs: 0 };
  const cloud = await startCloud({
    config: { ...settings, port: 0 },
    facts: {
      watch: () => ({ current: new Map([["tunnel-path/a", path]]) }),
      publish: (_: unknown, __: string, fact: { port: number }) => void (port = fact.port),
    },
    links: { current: [{ name: "uplink", interface: "eth0" }] },
    claim(key: string, resources: Resource[]) {
      claims.set(key, JSON.stringify(resources));
      if (key === "uplink") claimed.resolve();
      return Promise.resolve();
    },
    defer: (release: () => unknown) => void releases.push(release),
    health: { raise() {}, clear() {} },
    publishStatus() {},
  } as unknown as Context<Config>);
  const box = await Deno.connect({ hostname: "127.0.0.1", port });
  try {
    const answers = lines(box);
    const ask = async (bitsPerSecond: number) => {
      const wish = { address: "198.18.1.2", port: 1000, bitsPerSecond, layer: "vdsl" as const };
      await writeLine(box, { kind: "shape", session, wishes: [wish] });
      return (await answers.next()).value;
    };
    assert.match((await ask(5_000_000))!, /"refused":\[\]/);
    await claimed.promise;
    const before = claims.get("uplink");
    cloud.take({ ...settings, callsShare: 0.5 });
    for (const endMs = performance.now() + 20_000; claims.get("uplink") === before;) {
      assert.ok(performance.now() < endMs, "never held anew");
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    assert.match((await ask(6_000_000))!, /"refused":\[\]/);
  } finally {
    box.close();
    for (const release of releases.reverse()) await release();
  }
});

Deno.test("what was found out about a link outlives other settings, unless they are about just that (12, line 7)", () => {
  const tested = { downBitsPerSecond: 50e6, upBitsPerSecond: 10e6, atMs: 0 };
  const rates = new LinkRates(settings);
  const path = (queueMs: number) => ({ up: { queueMs }, down: { queueMs }, ageMs: 0 } as never);
  let nowMs = 0, bytes = 0;
  const carry = (times: number, bytesEach: number) => {
    for (; times > 0; times--) {
      bytes += bytesEach;
      rates.beat(path(200), { rxBytes: bytes, txBytes: bytes }, true, nowMs += 200);
    }
  };
  rates.set({}, tested, settings);
  const begun = rates.up!;
  carry(20, 100_000);
  const found = rates.up!;
  assert.ok(found < begun);
  rates.set({}, tested, { ...settings, delayThresholdMs: 300 });
  assert.equal(rates.up, found);
  rates.set({}, tested, { ...settings, autorate: false });
  assert.equal(rates.up, begun, "what the test found, and nothing since");
});

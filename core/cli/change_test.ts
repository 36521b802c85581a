import { strict as assert } from "node:assert";
import type { Core, Proposal, ProposalResult } from "../client/mod.ts";
import { change, effectLines } from "./change.ts";
import type { Cli } from "./verb.ts";

Deno.test("what a change does to plugins is said in a line each, with what ends (12, line 7)", () => {
  assert.deepEqual(
    effectLines([
      { plugin: "shaper", takes: "reload", ends: [], foreseen: [] },
      { plugin: "timer", takes: "restart", ends: [], foreseen: [] },
      {
        plugin: "proxy",
        takes: "restart",
        ends: [{ what: "connection", count: 412 }, { what: "call", count: 1 }],
        foreseen: [],
      },
      { plugin: "names", takes: "restart", foreseen: [] },
      { plugin: "streams", takes: "next-start", ends: [], foreseen: [] },
    ]),
    [
      "shaper takes it while it runs; nothing ends.",
      "timer is started anew: nothing else ends.",
      "proxy is started anew: ends 412 connections, 1 call.",
      "names is started anew: what ends with it is not known.",
      "streams takes it when it next runs.",
    ],
  );
});

Deno.test("who sits at the terminal is asked before anything ends, and a no changes nothing (12, line 7)", async () => {
  const ask = globalThis.prompt;
  try {
    for (const [count, answer, made] of [[412, "n", 0], [412, "y", 1], [0, "n", 1]] as const) {
      const proposals: Proposal[] = [];
      let said = "", asked = 0;
      globalThis.prompt = () => {
        asked++;
        return answer;
      };
      const core = {
        live: true,
        propose(proposal: Proposal): Promise<ProposalResult> {
          proposals.push(proposal);
          return Promise.resolve({
            problems: [],
            differences: [{ path: "plugins.proxy.port", after: 1 }],
            plan: [],
            effects: [{
              plugin: "proxy",
              takes: "restart",
              ends: count > 0 ? [{ what: "connection", count }] : [],
              foreseen: [],
            }],
          });
        },
      } as unknown as Core;
      const out = (text: string) => void (said += text);
      const cli = {
        json: false,
        terminal: { interactive: true, colours: false, out },
        print: (_: object, human: () => string | string[]) => out([human()].flat().join("\n")),
      } as unknown as Cli;
      await change(core, cli, { done: "Changed", patch: {}, yes: false });
      assert.equal(proposals.filter(({ dryRun }) => !dryRun).length, made);
      assert.equal(asked, count > 0 ? 1 : 0);
      assert.match(said, count > 0 ? /proxy is started anew: ends 412 connections\./ : /Changed/);
      assert.equal(/Nothing was changed/.test(said), made === 0);
    }
  } finally {
    globalThis.prompt = ask;
  }
});

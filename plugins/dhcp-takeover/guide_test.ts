import { strict as assert } from "node:assert";
import { guideStep } from "./guide.ts";
import type { DhcpStatus } from "./status_blocks.ts";

const view = { language: "en" as const, nowMs: 0 };
const step = (phase: string, more: Partial<DhcpStatus> = {}) =>
  guideStep(
    {
      ...{
        phase,
        sentence: "So it stands.",
        serving: "no",
        servers: [],
        instructions: [],
        leaseCount: 0,
        poolSize: 0,
      },
      ...more,
    },
    "192.168.177.1",
    view,
  );

Deno.test("setup is led from an offer to the confirmation: what is asked, and what each answer does", () => {
  const off = step("off");
  assert.equal(off.state, "open");
  assert.equal(off.question?.yes.action, "takeover");
  assert.match(off.question!.no.says!, /192\.168\.177\.1/);
  for (const phase of ["instructions", "checking", "trial", "contested", "given-back"]) {
    assert.equal(step(phase).state, "going", phase);
  }
  assert.equal(step("checking").question, undefined);
  const trial = step("trial");
  assert.equal(trial.question?.yes.action, "confirm");
  assert.deepEqual([trial.question?.no.action, trial.question?.no.leaves], ["undo", true]);
  assert.equal(trial.question?.usual, undefined, "an empty answer confirms nothing");
  assert.equal(step("confirmed").state, "done");
});

Deno.test("seconds that run and leases that come are no news; another server is", () => {
  const checking = step("checking", { silentByMs: 9_000, leaseCount: 1, poolSize: 9 });
  assert.equal(checking.news, step("checking", { silentByMs: 8_000, leaseCount: 2, poolSize: 9 }).news);
  const server = { mac: "m", server: "s", router: "", vendor: "v", network: "", isAnswering: true };
  assert.notEqual(checking.news, step("checking", { servers: [server] }).news);
});

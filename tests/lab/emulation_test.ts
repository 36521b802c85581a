import { strict as assert } from "node:assert";
import { chooseEmulation } from "./emulation.ts";
import { netemCounters, netemLines } from "./emulation_netem.ts";

const link = { name: "lte", downMbps: 30, upMbps: 10, delayMs: 25, jitterMs: 2, lossPercent: 0.5 };

Deno.test("netem for delay and loss, tbf under it for rate and queue", () => {
  assert.deepEqual(netemLines("mod1", link, 30, false), [
    "qdisc replace dev mod1 root handle 1: netem limit 200000 delay 25ms 2ms loss 0.5%",
    "qdisc replace dev mod1 parent 1:1 handle 2: tbf rate 30000kbit burst 3750 limit 375000",
  ]);
  assert.match(netemLines("net1", link, 10, true)[0]!, /loss 100%$/);
  assert.match(netemLines("net1", { ...link, queueBytes: 9_000 }, 0.5, false)[1]!, /burst 3028 limit 9000$/);
});

Deno.test("what netem drops is loss, except while the link is cut", () => {
  const qdiscs = (drops: number) => [
    { kind: "netem", bytes: 0, packets: 0, drops },
    { kind: "tbf", bytes: 3_000, packets: 2, drops: 4 },
  ];
  const said = (drops: number, cut: { former: number; since?: number }) => {
    const { packets, bytes, droppedQueue, droppedLoss, droppedCut } = netemCounters(qdiscs(drops), cut);
    return [packets, bytes, droppedQueue, droppedLoss, droppedCut];
  };
  assert.deepEqual(said(7, { former: 0 }), [2, 3_000, 4, 7, 0]);
  assert.deepEqual(said(17, { former: 0, since: 7 }), [2, 3_000, 4, 7, 10]);
  assert.deepEqual(said(20, { former: 10 }), [2, 3_000, 4, 10, 10]);
});

Deno.test("netem where the kernel has it; a wish that can't be met is refused", async () => {
  const has = (answer: boolean) => () => Promise.resolve(answer);
  assert.equal(await chooseEmulation(undefined, has(true)), "netem");
  assert.equal(await chooseEmulation(undefined, has(false)), "own");
  assert.equal(await chooseEmulation("own", has(true)), "own");
  await assert.rejects(chooseEmulation("netem", has(false)), { code: "netem-missing" });
  await assert.rejects(chooseEmulation("tc", has(true)), { code: "emulation-unknown" });
});

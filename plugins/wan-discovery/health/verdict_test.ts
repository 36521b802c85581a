import assert from "node:assert/strict";
import fc from "fast-check";
import { LinkHealth, type Outcome, type PathEvidence, type Seen, type Verdict } from "./verdict.ts";

const seen = (nowMs: number, path: PathEvidence, more: Partial<Seen> = {}): Seen => ({
  nowMs,
  path,
  peerGone: false,
  ...more,
});
const nothing: Outcome = { kind: "nothing" },
  peer: Outcome = { kind: "peer" },
  internet: Outcome = { kind: "internet" };

/** Runs the watch in virtual time: a round whenever one is due, answered by `world` after `rttMs` or the time limit. */
function run(
  health: LinkHealth,
  fromMs: number,
  toMs: number,
  world: (nowMs: number) => { path: PathEvidence; outcome: Outcome; more?: Partial<Seen> },
): { nowMs: number; verdict: Verdict }[] {
  const timeline: { nowMs: number; verdict: Verdict }[] = [];
  let round: { endMs: number; outcome: Outcome } | undefined;
  for (let nowMs = fromMs; nowMs <= toMs; nowMs += 50) {
    const { path, outcome, more } = world(nowMs);
    const ended = round && nowMs >= round.endMs ? round.outcome : undefined;
    if (ended) round = undefined;
    const now = seen(nowMs, path, more);
    const verdict = health.judge(now, ended);
    if (timeline.at(-1)?.verdict.state !== verdict.state) timeline.push({ nowMs, verdict });
    if (!round && nowMs >= health.nextRoundMs(now, 10_000)) {
      round = { endMs: nowMs + (outcome.kind === "nothing" ? 1_000 * health.patience : 50), outcome };
    }
  }
  return timeline;
}

Deno.test("a silent cut is down within nine seconds, and up within four of the link's return", () => {
  const health = new LinkHealth(0);
  const timeline = run(
    health,
    0,
    60_000,
    (nowMs) =>
      nowMs >= 20_000 && nowMs < 40_000
        ? { path: "silent", outcome: nothing }
        : { path: "silent", outcome: peer },
  );
  assert.deepEqual(timeline.map(({ verdict }) => verdict.state), ["unknown", "up", "down", "up"]);
  const [, , down, up] = timeline;
  assert.ok(down!.nowMs - 20_000 <= 8_500, `down after ${down!.nowMs - 20_000} ms`);
  assert.ok(up!.nowMs - 40_000 <= 4_000, `up after ${up!.nowMs - 40_000} ms`);
  assert.equal(down!.verdict.reason, "nothing answers over it");
});

Deno.test("where the peer was reached and is not any more, three rounds decide within six seconds", () => {
  const health = new LinkHealth(0);
  const timeline = run(
    health,
    0,
    40_000,
    (nowMs) => nowMs < 20_000 ? { path: "answers", outcome: peer } : { path: "silent", outcome: nothing },
  );
  const down = timeline.find(({ verdict }) => verdict.state === "down")!;
  assert.ok(down.nowMs - 20_000 <= 6_500, `down after ${down.nowMs - 20_000} ms`);
});

Deno.test("acknowledged data wins over every probe, at once", () => {
  fc.assert(fc.property(
    fc.array(fc.constantFrom(nothing, peer, internet, { kind: "portal", where: "x" } as Outcome, undefined), {
      maxLength: 40,
    }),
    (outcomes) => {
      const health = new LinkHealth(0);
      let nowMs = 0;
      for (const outcome of outcomes) health.judge(seen(nowMs += 700, "silent"), outcome);
      assert.equal(health.judge(seen(nowMs + 1, "acknowledged")).state, "up");
    },
  ));
});

Deno.test("however much is lost of it, a link that answers one round in two is never down", () => {
  fc.assert(fc.property(fc.array(fc.boolean(), { minLength: 1, maxLength: 100 }), (luck) => {
    const health = new LinkHealth(0);
    let nowMs = 0;
    for (const lucky of luck) {
      assert.notEqual(health.judge(seen(nowMs += 1_000, "unwatched"), peer).state, "down");
      if (!lucky) assert.notEqual(health.judge(seen(nowMs += 1_000, "unwatched"), nothing).state, "down");
    }
  }));
});

Deno.test("the more often it falls the longer it must answer, to a bound, and ten good minutes forgive", () => {
  const health = new LinkHealth(0);
  health.judge(seen(0, "unwatched"), peer);
  let nowMs = 0;
  const holds: number[] = [];
  for (let fall = 0; fall < 12; fall++) {
    for (let miss = 0; miss < 3; miss++) health.judge(seen(nowMs += 1_000, "unwatched"), nothing);
    assert.equal(health.judge(seen(nowMs, "unwatched")).state, "down");
    const fromMs = nowMs + 500;
    while (health.judge(seen(nowMs += 500, "unwatched"), peer).state === "down");
    holds.push(nowMs - fromMs);
  }
  assert.deepEqual(
    holds,
    [1, 2, 4, 8, 16, 32, 64, 120, 120, 120, 120, 120].map((seconds) => seconds * 1_000),
  );
  nowMs += 700_000;
  health.judge(seen(nowMs, "unwatched"), peer);
  for (let miss = 0; miss < 3; miss++) health.judge(seen(nowMs += 1_000, "unwatched"), nothing);
  health.judge(seen(nowMs += 500, "unwatched"), peer);
  assert.equal(health.judge(seen(nowMs += 1_000, "unwatched"), peer).state, "up");
});

Deno.test("a link that flaps changes its state at most twice a hold-down", () => {
  fc.assert(
    fc.property(fc.integer({ min: 2_000, max: 20_000 }), (periodMs) => {
      const timeline = run(new LinkHealth(0), 0, 600_000, (nowMs) => ({
        path: "silent",
        outcome: Math.floor(nowMs / periodMs) % 2 === 0 ? peer : nothing,
      }));
      assert.ok(timeline.length <= 30, `${timeline.length} changes at a period of ${periodMs} ms`);
    }),
    { numRuns: 25 },
  );
});

Deno.test("a portal is down at once and says where to log in; the page itself ends it", () => {
  const health = new LinkHealth(0);
  health.judge(seen(0, "answers"), peer);
  const { state, reason } = health.judge(seen(1_000, "answers"), { kind: "portal", where: "http://hotel/" });
  assert.deepEqual({ state, reason }, {
    state: "down",
    reason: "a login page is in the way: open http://hotel/ from behind this modem",
  });
  assert.equal(health.metPortal, true);
  health.judge(seen(2_000, "answers"), peer);
  assert.equal(health.judge(seen(3_100, "answers"), peer).state, "up");
});

Deno.test("a link that answers handshakes alone is asked at once and then ever more rarely, in case a login page takes them", () => {
  const health = new LinkHealth(0);
  health.judge(seen(0, "answers"), peer);
  assert.ok(health.nextRoundMs(seen(1_000, "answers"), 10_000) > 60_000);
  const asked: number[] = [];
  for (let nowMs = 20_000; nowMs < 20_000 + 3_600_000;) {
    const now = seen(nowMs, "answers", { unprovedSinceMs: 20_000 });
    nowMs = health.nextRoundMs(now, 10_000);
    asked.push(nowMs - 20_000);
    health.judge({ ...now, nowMs }, peer);
  }
  assert.deepEqual(asked.slice(0, 6), [0, 2_000, 4_000, 8_000, 16_000, 32_000]);
  assert.ok(asked.length < 24, `${asked.length} times within an hour`);
  // It logged in, and later is asked to do so again.
  const atMs = asked.at(-1)! + 20_000;
  health.judge(seen(atMs, "answers", { unprovedSinceMs: 20_000 }), {
    kind: "portal",
    where: "http://hotel/",
  });
  assert.equal(health.judge(seen(atMs, "answers", { unprovedSinceMs: 20_000 })).state, "down");
});

Deno.test("the peer's silence alone is the link's fault only while others reach it", () => {
  const one = new LinkHealth(0), all = new LinkHealth(0);
  assert.equal(one.judge(seen(0, "silent"), internet).state, "degraded");
  const verdict = all.judge(seen(0, "silent", { peerGone: true }), internet);
  assert.deepEqual([verdict.state, verdict.reason], [
    "up",
    "the Internet answers over it; it is the peer that is gone",
  ]);
});

Deno.test("when the peer or its tunnel begins to be missed a link is asked at once, and answers are counted by who gave them", () => {
  const health = new LinkHealth(0);
  health.judge(seen(0, "answers"), peer);
  assert.ok(health.nextRoundMs(seen(1_000, "answers"), 10_000) > 60_000);
  const missed = seen(20_000, "answers", { missedSinceMs: 20_000 });
  assert.ok(health.nextRoundMs(missed, 10_000) <= 20_000);
  health.judge(missed, internet);
  assert.equal(health.nextRoundMs(missed, 10_000), 30_000);
  health.judge(seen(30_000, "silent", { missedSinceMs: 20_000 }), nothing);
  health.judge(seen(31_000, "silent", { missedSinceMs: 20_000 }), internet);
  health.judge(seen(32_000, "silent"), { kind: "portal", where: "http://hotel/" });
  assert.deepEqual(health.answers, { peer: 1, internet: 2 });
});

Deno.test("loss that lasts degrades, and only cleanness that lasts ends that", () => {
  const health = new LinkHealth(0);
  const at = (nowMs: number, loss: number) => health.judge(seen(nowMs, "acknowledged", { loss })).state;
  assert.equal(at(0, 0.08), "up");
  assert.equal(at(9_000, 0.08), "up");
  assert.equal(at(10_000, 0.08), "degraded");
  assert.equal(at(11_000, 0), "degraded");
  assert.equal(at(40_000, 0), "degraded");
  assert.equal(at(41_000, 0), "up");
});

Deno.test("a cable that is out says so; when it is in again nothing is known, and the link is asked at once", () => {
  const health = new LinkHealth(0);
  health.judge(seen(0, "unwatched"), peer);
  const broken = seen(1_000, "unwatched", { broken: "no carrier" });
  assert.equal(health.judge(broken).reason, "no carrier");
  assert.equal(health.nextRoundMs(broken, 10_000), Infinity);
  assert.equal(health.judge(seen(2_000, "unwatched")).state, "unknown");
  assert.ok(health.nextRoundMs(seen(2_000, "unwatched"), 10_000) <= 2_000);
  assert.equal(health.judge(seen(2_100, "unwatched"), peer).state, "up");
});

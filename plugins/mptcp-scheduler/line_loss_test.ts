import { strict as assert } from "node:assert";
import fc from "fast-check";
import { LineLoss, type LossFound } from "./line_loss.ts";

/** A link with a tail-drop queue, and senders that slow down by three tenths where something is lost. */
interface Trial {
  mbps: number;
  tripMs: number;
  /** The queue when it is full. */
  queueMs: number;
  /** Share that the line loses. */
  lineLoss: number;
  flows: number;
  /** What the senders have to send, all together. */
  wantMbps?: number;
  seed?: number;
  beatMs?: number;
}

const SEGMENT_BITS = 1_500 * 8;

/** What is found of it after each beat of half a minute. */
function found(trial: Trial): LossFound[] {
  const { mbps, tripMs, queueMs, lineLoss, flows, wantMbps = Infinity, seed = 1, beatMs = 100 } = trial;
  const random = seeded(seed);
  const perMs = mbps * 1e3 / SEGMENT_BITS, room = perMs * queueMs;
  const windows = new Array(flows).fill(10), slow = new Array(flows).fill(true);
  const cutUntil = new Array(flows).fill(0);
  const told: { atMs: number; flow: number; lost: number }[] = [];
  const watch = new LineLoss(), results: LossFound[] = [];
  let queue = 0, smoothed = tripMs, shortest = tripMs, sent = 0, again = 0, delivered = 0;
  for (let nowMs = 1; nowMs <= 30_000; nowMs++) {
    const rttMs = tripMs + queue / perMs;
    const offered = windows.map((window) => Math.min(window / rttMs, wantMbps * 1e3 / SEGMENT_BITS / flows));
    const all = offered.reduce((sum, one) => sum + one, 0);
    delivered += Math.min(perMs, queue + all);
    queue = Math.max(0, queue + all - perMs);
    const over = Math.max(0, queue - room);
    queue -= over;
    sent += all;
    for (let flow = 0; flow < flows; flow++) {
      // Twice as much with every round trip until something is lost, three segments more from then on.
      windows[flow]! += slow[flow] ? offered[flow]! : offered[flow]! / windows[flow]! * 3;
      const lost = over * offered[flow]! / all + (random() < offered[flow]! * lineLoss ? 1 : 0);
      if (lost > 0) told.push({ atMs: nowMs + rttMs, flow, lost });
    }
    while (told[0] && told[0].atMs <= nowMs) {
      const { flow, lost } = told.shift()!;
      again += lost;
      slow[flow] = false;
      if (nowMs < cutUntil[flow]) continue;
      windows[flow] = Math.max(2, windows[flow]! * 0.7);
      cutUntil[flow] = nowMs + rttMs;
    }
    smoothed += (rttMs - smoothed) * Math.min(1, all / 8);
    shortest = Math.min(shortest, rttMs);
    if (nowMs % beatMs === 0) {
      results.push(watch.beat({
        ...{ atMs: nowMs, sent, again, rttMs: smoothed, minRttMs: shortest },
        bitsPerSecond: delivered * SEGMENT_BITS * 1000 / beatMs,
      }));
      sent = again = delivered = 0;
    }
  }
  return results;
}

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
function seeded(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ seed >>> 15, 1 | seed);
    mixed = mixed + Math.imul(mixed ^ mixed >>> 7, 61 | mixed) ^ mixed;
    return ((mixed ^ mixed >>> 14) >>> 0) / 2 ** 32;
  };
}

const FULL: Trial[] = [
  { mbps: 10, tripMs: 20, queueMs: 100, lineLoss: 0, flows: 1 },
  { mbps: 10, tripMs: 20, queueMs: 40, lineLoss: 0, flows: 4 },
  { mbps: 50, tripMs: 30, queueMs: 30, lineLoss: 0, flows: 2 },
  { mbps: 5, tripMs: 60, queueMs: 300, lineLoss: 0, flows: 8 },
  { mbps: 20, tripMs: 40, queueMs: 80, lineLoss: 0, flows: 20 },
  { mbps: 10, tripMs: 20, queueMs: 100, lineLoss: 0, flows: 4, beatMs: 1_000 },
];

for (const trial of FULL) {
  const { mbps, tripMs, queueMs, flows, beatMs = 100 } = trial;
  Deno.test(`full: ${mbps} Mbit/s, ${tripMs} ms, a queue of ${queueMs} ms, ${flows} senders, beats of ${beatMs} ms: the line loses nothing`, () => {
    const last = found(trial);
    assert.ok(
      Math.max(...last.slice(100 * 100 / beatMs).map(({ loss = 0 }) => loss)) > 0.001,
      "something was lost",
    );
    const worst = Math.max(...last.map(({ lineLoss = 0 }) => lineLoss));
    assert.ok(worst < 0.002, `${worst}`);
  });
}

for (
  const trial of [
    { mbps: 20, tripMs: 30, queueMs: 100, lineLoss: 0.02, flows: 1 },
    { mbps: 50, tripMs: 30, queueMs: 100, lineLoss: 0.01, flows: 2, wantMbps: 8 },
    { mbps: 20, tripMs: 60, queueMs: 60, lineLoss: 0.05, flows: 4 },
  ]
) {
  const { mbps, tripMs, lineLoss, flows } = trial;
  Deno.test(`empty and lossy: ${mbps} Mbit/s, ${tripMs} ms, ${lineLoss * 100} %, ${flows} senders: it is the line's`, () => {
    const { loss, lineLoss: own } = found(trial).at(-1)!;
    assert.ok(own! > lineLoss * 0.6 && own! < lineLoss * 1.5, `${own} of ${loss}`);
  });
}

for (
  const trial of [
    { mbps: 10, tripMs: 20, queueMs: 60, lineLoss: 0.01, flows: 4 },
    { mbps: 20, tripMs: 30, queueMs: 60, lineLoss: 0.005, flows: 4 },
  ]
) {
  const { mbps, lineLoss, flows } = trial;
  Deno.test(`full and lossy: ${mbps} Mbit/s, ${lineLoss * 100} %, ${flows} senders: the line's part, or nobody can tell`, () => {
    const last = found(trial).slice(100);
    for (const { loss, lineLoss: own } of last) {
      assert.ok(own === undefined || own > lineLoss * 0.3 && own < lineLoss * 2, `${own} of ${loss}`);
    }
  });
}

Deno.test("a real full upload, with holes in what was acknowledged: the line loses nothing", () => {
  const file = new URL("testdata/full_upload.json", import.meta.url);
  const { beats } = JSON.parse(Deno.readTextFileSync(file)) as {
    beats: [number, number, number, number, number][];
  };
  const watch = new LineLoss();
  const results = beats.map(([atMs, sent, again, rttMs, mbps]) =>
    watch.beat({ atMs, sent, again, rttMs, minRttMs: 10.6, bitsPerSecond: mbps * 1e6 })
  );
  assert.ok(Math.max(...results.map(({ loss = 0 }) => loss)) > 0.002, "something was lost");
  const worst = Math.max(...results.map(({ lineLoss = 0 }) => lineLoss));
  assert.ok(worst < 0.001, `${worst}`);
});

Deno.test("too few segments say nothing, nothing lost is no loss of either kind", () => {
  const watch = new LineLoss();
  const beat = { again: 0, rttMs: 20, minRttMs: 20, bitsPerSecond: 1e6 };
  assert.deepEqual(watch.beat({ ...beat, atMs: 100, sent: 100 }), {});
  assert.deepEqual(watch.beat({ ...beat, atMs: 200, sent: 200 }), { loss: 0, lineLoss: 0 });
});

Deno.test("whatever beats come: shares from 0 to 1, and the line's is never the larger", () => {
  const beats = fc.array(
    fc.record({
      sent: fc.nat(5_000),
      part: fc.double({ min: 0, max: 1, noNaN: true }),
      rttMs: fc.option(fc.double({ min: 0.01, max: 5_000, noNaN: true }), { nil: undefined }),
      minRttMs: fc.option(fc.double({ min: 0.01, max: 5_000, noNaN: true }), { nil: undefined }),
      bitsPerSecond: fc.double({ min: 0, max: 1e10, noNaN: true }),
      ms: fc.integer({ min: 1, max: 400_000 }),
    }),
    { maxLength: 300 },
  );
  fc.assert(fc.property(beats, (all) => {
    const watch = new LineLoss();
    let atMs = 0;
    for (const { sent, part, ms, ...rest } of all) {
      atMs += ms;
      const { loss, lineLoss } = watch.beat({ ...rest, atMs, sent, again: Math.floor(sent * part) });
      assert.ok(loss === undefined || loss >= 0 && loss <= 1);
      assert.ok(lineLoss === undefined || loss !== undefined && lineLoss >= 0 && lineLoss <= loss);
    }
  }));
});

Deno.test("what overflowed is no loss of the line either when the full queue before it has left the window", () => {
  const watch = new LineLoss();
  let atMs = 0, worst = 0;
  const beat = (queueMs: number, again = 0, bitsPerSecond = 9.5e6) => {
    const found = watch.beat({
      atMs: atMs += 100,
      sent: 87,
      again,
      rttMs: 20 + queueMs,
      minRttMs: 20,
      bitsPerSecond,
    });
    worst = Math.max(worst, found.lineLoss ?? 0);
  };
  // A queue that fills and overflows: for a moment hardly anything is acknowledged.
  for (let queueMs = 10; queueMs < 97; queueMs += 2) beat(queueMs);
  beat(97, 20, 3.2e6);
  // The next transfer begins on an empty queue, and fills it.
  for (let queueMs = 10; queueMs < 97; queueMs += 0.8) beat(queueMs);
  assert.ok(worst < 0.001, `${worst} of what was sent is said to be lost by the line`);
});

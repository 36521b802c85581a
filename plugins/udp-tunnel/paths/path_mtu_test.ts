import assert from "node:assert/strict";
import fc from "fast-check";
import { LEAST_MTU, PathMtu, SeenSizes, SIZES } from "./path_mtu.ts";

const SECOND = 1_000_000;

/** Runs a path of a width that may change; every probe is lost with the given chance. Answers the size found. */
function run(widths: [fromS: number, width: number][], seconds: number, lost: () => boolean, most = 1500) {
  const sender = new PathMtu(most), receiver = new SeenSizes();
  const found: [atS: number, mtu: number][] = [];
  let probes = 0;
  for (let nowUs = 0; nowUs < seconds * SECOND; nowUs += 100_000) {
    const width = widths.findLast(([fromS]) => fromS * SECOND <= nowUs)![1];
    for (const size of sender.due(nowUs, true)) {
      probes++;
      assert.ok(size <= most);
      if (size <= width && !lost()) receiver.probe(sender.round, size, nowUs);
    }
    if (sender.seen(receiver.round, receiver.bytes, nowUs + 50_000)) found.push([nowUs / SECOND, sender.mtu]);
  }
  return { mtu: sender.mtu, found, probes };
}

Deno.test("every width that networks have is found within a second, and no larger one believed", () => {
  for (const width of [1280, 1300, ...SIZES, 1499]) {
    const { mtu } = run([[0, width]], 1, () => false);
    assert.equal(mtu, SIZES.findLast((size) => size <= width));
  }
});

Deno.test("lost probes are sent again: a path that loses half of everything is found in its width", () => {
  let seed = 1;
  const { mtu } = run([[0, 1500]], 60, () => (seed = seed * 16_807 % 2_147_483_647) % 2 === 0);
  assert.ok(mtu >= 1480, String(mtu));
});

Deno.test("a path that becomes narrower is noticed without ICMP, and one that becomes wider in time", () => {
  const { found } = run([[0, 1500], [30, 1400], [60, 1500]], 1_300, () => false);
  assert.deepEqual(found.map(([, mtu]) => mtu), [1500, 1400, 1500]);
  assert.ok(found[1]![0] < 50, `${found[1]![0]} s`);
});

Deno.test("nothing is tried that the link's own interface does not carry", () => {
  assert.equal(run([[0, 1500]], 30, () => false, 1492).mtu, 1492);
});

Deno.test("a search ends: an hour of use costs few probes", () => {
  const { probes } = run([[0, 1400]], 3_600, () => false);
  assert.ok(probes < 600, String(probes));
});

Deno.test("whatever the far end says, the size stays between the least and what the link carries", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 0, max: 255 }), fc.integer({ min: 0, max: 65_535 }))),
      (said) => {
        const sender = new PathMtu(1492);
        for (const [index, [round, bytes]] of said.entries()) {
          sender.due(index * 500_000, true);
          sender.seen(round, bytes, index * 500_000);
          assert.ok(sender.mtu >= LEAST_MTU && sender.mtu <= 1492);
        }
      },
    ),
  );
});

import { strict as assert } from "node:assert";
import { MoveWatch } from "./moving.ts";

const up = { isDead: false, isWished: true, isUp: true }, doubted = { ...up, isUp: false };
const dead = { ...doubted, isDead: true };

Deno.test("who speaks leaves a dead tunnel, and comes back once it has been up for a while; who is silent is left alone", () => {
  const watch = new MoveWatch();
  const at = (seconds: number, how: typeof up) => watch.look(how, seconds * 1_000);
  assert.equal(at(0, up), "soon");
  assert.equal(at(10, up), "returning");
  assert.equal(at(321, up), undefined, "nobody is left");
  assert.equal(at(400, doubted), "doubted");
  assert.equal(at(404, dead), "leaving");
  assert.equal(at(713, dead), "leaving");
  assert.equal(at(715, dead), undefined);
  assert.equal(at(800, up), "soon");
  assert.equal(at(809, up), "soon");
  assert.equal(at(810, up), "returning");
});

Deno.test("a tunnel that comes and goes moves nobody back, and neither does a setting that wants nothing in it", () => {
  const watch = new MoveWatch();
  for (let seconds = 0; seconds < 100; seconds += 8) {
    assert.equal(watch.look(up, seconds * 1_000), "soon");
    assert.equal(watch.look(doubted, (seconds + 7) * 1_000), "doubted");
  }
  const direct = { ...up, isWished: false };
  assert.equal(watch.look(direct, 200_000), undefined);
  assert.equal(watch.look(direct, 300_000), undefined);
  assert.equal(watch.look(up, 301_000), "soon");
});

import { strict as assert } from "node:assert";
import { Secrets } from "../config/secrets.ts";
import type { Network } from "../contract/mod.ts";
import { Boxes, boxReports, firstBox } from "./boxes.ts";
import { rejoin } from "./join.ts";
import { decodeJoinCode, encodeJoinCode } from "./join_code.ts";

const peers = [{ name: "cloud", address: "203.0.113.7", port: 8443 }];

/** A peer's secrets in a folder of their own. */
class Place implements Disposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "otb" });
  readonly secrets = new Secrets(`${this.folder}/secrets`);
  changes = 0;
  readonly boxes = new Boxes(this.secrets, () => ({ role: "cloud", peers }), () => this.changes++);

  names = () => this.boxes.all().map(({ name }) => name);

  [Symbol.dispose]() {
    Deno.removeSync(this.folder, { recursive: true });
  }
}

Deno.test("each box of a peer has its own key, and what is done to one is done to it alone", () => {
  using place = new Place();
  const { boxes, names } = place;
  firstBox(place.secrets, "home");
  const first = boxes.code(), second = boxes.add("cabin");
  const [home, cabin] = [first, second].map(decodeJoinCode);
  assert.notEqual(home!.psk, cabin!.psk);
  assert.deepEqual([home!.peerKey, home!.tunnelKey], [cabin!.peerKey, cabin!.tunnelKey]);
  assert.equal(new Set([home!.psk, cabin!.psk, home!.peerKey, home!.tunnelKey]).size, 4);
  assert.equal(boxes.code("cabin"), second);
  assert.throws(() => boxes.code(), { code: "box-ambiguous" });
  assert.throws(() => boxes.add("cabin"), { code: "box-exists" });
  assert.throws(() => boxes.rename("home", "cabin"), { code: "box-exists" });
  for (const odd of ["My Box", "", "-x", "a".repeat(32), "__proto__"]) {
    assert.throws(() => boxes.add(odd), { code: "box-name-invalid" }, odd);
  }
  for (const act of [() => boxes.code("no"), () => boxes.rename("no", "x"), () => boxes.revoke("no")]) {
    assert.throws(act, { code: "box-unknown" });
  }
  const before = boxes.fact();
  boxes.rename("cabin", "hut");
  assert.equal(boxes.code("hut"), second, "its key stays");
  boxes.revoke("home");
  assert.deepEqual([names(), boxes.code(), place.changes], [["hut"], second, 3]);
  assert.ok(!place.secrets.get("boxes")!.includes(home!.psk));
  assert.notEqual(boxes.fact().revision, before.revision);
  boxes.revoke("hut");
  assert.deepEqual(names(), []);
  assert.throws(() => boxes.code(), { code: "box-key-former" });
});

Deno.test("a peer of before each box had a key serves its boxes on, until their key is revoked", () => {
  using place = new Place();
  const { boxes, secrets } = place;
  const shared = btoa(String.fromCharCode(...Array(32).keys()));
  secrets.set("psk", shared);
  assert.deepEqual(boxes.all(), [{ name: "box", key: shared, former: true }]);
  assert.throws(() => boxes.code(), { code: "box-key-former" });
  const { psk, peerKey } = decodeJoinCode(boxes.add("cabin"));
  assert.ok(psk !== shared && peerKey !== undefined && peerKey !== shared);
  assert.deepEqual(boxes.all()[0], { name: "box", key: shared, former: true });
  assert.equal(boxes.all()[1]!.key, psk);
  boxes.revoke("box");
  assert.equal(secrets.get("psk"), undefined, "an earlier otb would find it");
  assert.deepEqual(place.names(), ["cabin"]);
  // Also when it was the only one: nothing falls back to it.
  secrets.delete("boxes");
  secrets.set("psk", shared);
  boxes.revoke("box");
  assert.deepEqual(boxes.all(), []);
});

Deno.test("a box takes another code and keeps the rest; one that is refused changes nothing", async () => {
  using peer = new Place();
  firstBox(peer.secrets, "box");
  const code = peer.boxes.code();
  using place = new Place();
  const { secrets } = place;
  secrets.set("psk", btoa("x".repeat(32)));
  const network: Pick<Network, "role" | "peers"> = { role: "box", peers: [{ ...peers[0]!, name: "old" }] };
  const proposed: unknown[] = [];
  const propose = (problem?: { code: string; path: string; message: string }) => (proposal: unknown) => {
    proposed.push(proposal);
    return Promise.resolve({ problems: problem ? [problem] : [], differences: [], plan: [], effects: [] });
  };
  const before = secrets.get("psk");
  await assert.rejects(rejoin(secrets, network, propose(), "otb3-x"), { code: "join-code-incomplete" });
  const no = { code: "change-pending", path: "", message: "no" };
  await assert.rejects(rejoin(secrets, network, propose(no), code), { code: "change-pending" });
  await assert.rejects(rejoin(secrets, { ...network, role: "cloud" }, propose(), code), {
    code: "not-a-box",
  });
  assert.deepEqual([secrets.get("psk"), secrets.get("peer-key")], [before, undefined]);
  const { psk, peerKey, ...address } = decodeJoinCode(code);
  const joined = await rejoin(secrets, network, propose(), code);
  assert.deepEqual(joined, { name: "old", ...address });
  assert.deepEqual([secrets.get("psk"), secrets.get("peer-key")], [psk, peerKey]);
  // A code of before there was a key of the peer takes it away again.
  await rejoin(secrets, network, propose(), encodeJoinCode({ ...address, psk }));
  assert.deepEqual([secrets.get("psk"), secrets.get("peer-key")], [psk, undefined]);
});

Deno.test("what plugins tell of boxes comes together, and no key with it", () => {
  const all = [{ name: "home", key: "secret", addedAtMs: 5 }, { name: "box", key: "other", former: true }];
  assert.deepEqual(
    boxReports(all, [{ boxes: { home: { open: 3, lastSeenMs: 10 } } }, {}, {
      boxes: { home: { lastSeenMs: 20 } },
    }]),
    [
      { name: "home", former: false, addedAtMs: 5, lastSeenMs: 20, open: 3 },
      { name: "box", former: true, addedAtMs: undefined, lastSeenMs: undefined, open: 0 },
    ],
  );
  assert.equal(boxReports(all)[0]!.open, undefined, "nobody runs");
});

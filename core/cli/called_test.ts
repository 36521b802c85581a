import { strict as assert } from "node:assert";
import { asCalled, DEFAULT_STATE, readCall } from "./called.ts";
import { VERBS } from "./main.ts";

const call = (name: string, ...args: string[]) => readCall(args, name);

Deno.test("a command line that is told names the otb that was called, and its state", () => {
  const text = "Start it with otb up, or sudo otb service\n  install. Look: sudo ./otb status --watch";
  const inTree = "Start it with ./otb up, or sudo ./otb service\n  install. Look: sudo ./otb status --watch";
  assert.equal(asCalled(text, call("./otb", "down")), inTree);
  assert.equal(asCalled(inTree, call("./otb", "down")), inTree, "once more changes nothing");
  assert.equal(asCalled(text, call("otb", "down")), inTree.replaceAll("./otb", "otb"), "it stands on PATH");
  const elsewhere = asCalled("otb dhcp confirm", call("./otb", "--state", "/tmp/my box", "status"));
  assert.equal(elsewhere, "./otb --state '/tmp/my box' dhcp confirm");
  assert.equal(asCalled(elsewhere, call("./otb", "--state", "/tmp/my box")), elsewhere);
  assert.equal(asCalled("otb dhcp confirm", call("otb", "--state=$&")), "otb --state '$&' dhcp confirm");
  assert.equal(asCalled("otb --help", call("./otb")), "./otb --help");
});

Deno.test("what is typed on the other machine does not get this one's state", () => {
  const onBox = call("./otb", "setup", "--state", "/x");
  assert.equal(
    asCalled("On the peer: otb init cloud. Here: otb init box", onBox),
    "On the peer: ./otb init cloud. Here: ./otb --state /x init box",
  );
  const onPeer = call("./otb", "--state", "/x", "peer", "box", "add", "cabin");
  assert.equal(
    asCalled("there: otb peer join -, here: otb peer box list", onPeer),
    "there: ./otb peer join -, here: ./otb --state /x peer box list",
  );
});

Deno.test("what is no command line stays: the name, a path, a log's words", () => {
  for (
    const text of [
      "otb 0.1.0 (Deno",
      "/opt/otb/current/otb status",
      "otb shuts nothing",
      "otb: Cannot",
      "up-otb up",
    ]
  ) {
    assert.equal(asCalled(text, call("./otb", "--state", "/tmp/x")), text);
  }
});

Deno.test("every verb is known in command lines that are told", () => {
  for (const { usage: [term] } of VERBS) {
    const { name } = term as { name: string };
    assert.equal(
      asCalled(`sudo otb ${name} list`, call("./otb", "--state", "/x")),
      `sudo ./otb --state /x ${name} list`,
    );
  }
});

Deno.test("the options of every verb are told apart from its words, wherever they stand", () => {
  for (const args of [["--state", "/x", "link", "--json", "add"], ["link", "add", "--state=/x"]]) {
    assert.deepEqual(call("otb", ...args), { name: "otb", words: ["link", "add"], state: "/x" });
  }
  assert.equal(call("otb", "status", "--state").state, DEFAULT_STATE);
});

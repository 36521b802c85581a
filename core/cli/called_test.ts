import { strict as assert } from "node:assert";
import { asCalled, DEFAULT_STATE, readCall } from "./called.ts";
import { everyVerb, main } from "./main.ts";

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

/** What is printed when otb was called so. */
async function printed(name: string, ...args: string[]): Promise<string> {
  const former = Deno.env.get("OTB_CALLED");
  Deno.env.set("OTB_CALLED", name);
  try {
    let text = "";
    const take = (piece: string) => void (text += piece);
    const silent = { tty: false, interactive: false, colours: false, width: 80, height: 24 };
    assert.equal(await main(args, { ...silent, out: take, err: take, control: take }), 0);
    return text;
  } finally {
    if (former === undefined) Deno.env.delete("OTB_CALLED");
    else Deno.env.set("OTB_CALLED", former);
  }
}

Deno.test("the example of a help can be copied as it stands, for any state; completion is a program and left alone", async () => {
  assert.match(
    await printed("./otb", "dhcp", "--help", "--state", "/x"),
    /^Example: sudo \.\/otb dhcp takeover$/m,
  );
  for (const shell of ["bash", "zsh", "fish"]) {
    assert.equal(
      await printed("./otb", "completion", shell),
      await printed("otb", "completion", shell),
      shell,
    );
  }
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
  for (const { usage: [term] } of everyVerb()) {
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

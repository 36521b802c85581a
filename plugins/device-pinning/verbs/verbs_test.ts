// `otb device` and `otb rule` as their users type them, on the settings of a box that is not running.
import assert from "node:assert/strict";
import { say } from "../../../tests/worlds/verbs.ts";

const TV = "00:11:22:aa:bb:cc";

class Box implements Disposable {
  readonly folder = Deno.makeTempDirSync({ prefix: "otb-cli-" });

  // deno-lint-ignore no-explicit-any
  async otb(args: string[], { state = "box", refused = false } = {}): Promise<any> {
    const { out, err } = await say([...args, "--json", "--state", `${this.folder}/${state}`]);
    assert.notEqual(out, "", err);
    const answer = JSON.parse(out);
    assert.equal(answer.error !== undefined, refused, `otb ${args.join(" ")}: ${out}`);
    return refused ? answer.error : answer;
  }

  /** The code of what is refused. */
  async refusal(...args: string[]): Promise<string> {
    return (await this.otb(args, { refused: true })).code;
  }

  static async make(): Promise<Box> {
    const box = new Box();
    const { joinCode } = await box.otb(["init", "cloud", "--address", "203.0.113.7"], { state: "peer" });
    Deno.writeTextFileSync(`${box.folder}/code`, joinCode);
    await box.otb(["init", "box", "--join", `@${box.folder}/code`]);
    for (const [link, index] of [["fibre", 1], ["cable", 2]]) {
      await box.otb(["link", "add", `${link}`, "--interface", `eth${index}`]);
    }
    return box;
  }

  async rules(): Promise<{ name: string; [part: string]: unknown }[]> {
    return (await this.otb(["rule", "list"])).rules;
  }

  [Symbol.dispose]() {
    Deno.removeSync(this.folder, { recursive: true });
  }
}

Deno.test("a device gets a name, is pinned by it before all other rules, renamed, and unpinned", async () => {
  using box = await Box.make();
  await box.otb(["rule", "add", "no-quic", "--protocol", "udp", "--port", "443", "--way", "block"]);
  await box.otb(["device", "name", TV.toUpperCase(), "tv"]);
  await box.otb(["device", "pin", "tv", "fibre", "--if-dead", "other-link"]);
  assert.deepEqual(await box.rules(), [
    {
      name: "pin-tv",
      enabled: true,
      match: { device: "tv" },
      way: "link",
      link: "fibre",
      ifDead: "other-link",
    },
    {
      name: "no-quic",
      enabled: true,
      match: { protocol: "udp", ports: ["443"] },
      way: "block",
      ifDead: "bonded",
    },
  ]);
  await box.otb(["device", "pin", "tv", "cable"]);
  assert.deepEqual((await box.rules()).map(({ name, link }) => [name, link]), [["pin-tv", "cable"], [
    "no-quic",
    undefined,
  ]]);
  await box.otb(["device", "name", "tv", "television"]);
  assert.deepEqual((await box.rules())[0]!.match, { device: "television" });
  await box.otb(["device", "set", "television", "--group", "salon"]);
  assert.deepEqual((await box.otb(["device", "list"])).devices, [
    {
      mac: TV,
      name: "television",
      addresses: [],
      groups: ["salon"],
      whenPeerGone: "direct",
      rules: ["pin-tv"],
    },
  ]);
  assert.equal(
    await box.refusal("device", "set", "television", "--when-peer-gone", "block"),
    "pin-against-kill-switch",
  );
  await box.otb(["device", "unpin", "television"]);
  assert.deepEqual((await box.rules()).map(({ name }) => name), ["no-quic"]);
  assert.equal(await box.refusal("device", "unpin", "television"), "device-not-pinned");
  assert.equal(await box.refusal("device", "pin", "radio", "fibre"), "device-unknown");
});

Deno.test("rules are added, changed, moved and removed; what cannot be is refused", async () => {
  using box = await Box.make();
  await box.otb(["rule", "add", "calls", "--application", "wifi-calling", "--link", "fibre"]);
  await box.otb([
    "rule",
    "add",
    "films",
    "--domain",
    "films.example",
    "--domain",
    "cdn.example",
    "--link",
    "cable",
  ]);
  await box.otb([
    "rule",
    "add",
    "first",
    "--address",
    "198.51.100.0/24",
    "--way",
    "bonded",
    "--before",
    "calls",
  ]);
  const names = async () => (await box.rules()).map(({ name }) => name);
  assert.deepEqual(await names(), ["first", "calls", "films"]);
  await box.otb(["rule", "move", "films", "--before", "first"]);
  assert.deepEqual(await names(), ["films", "first", "calls"]);
  await box.otb(["rule", "move", "films"]);
  assert.deepEqual(await names(), ["first", "calls", "films"]);
  await box.otb([
    "rule",
    "set",
    "films",
    "--way",
    "block",
    "--unset",
    "domains",
    "--device",
    TV,
    "--enabled",
    "no",
  ]);
  assert.deepEqual((await box.rules())[2], {
    name: "films",
    enabled: false,
    match: { device: TV },
    way: "block",
    ifDead: "bonded",
  });
  await box.otb(["rule", "remove", "first"]);
  assert.deepEqual(await names(), ["calls", "films"]);
  const refused = (...args: string[]) => box.refusal("rule", ...args);
  assert.equal(await refused("add", "calls", "--way", "block"), "rule-exists");
  assert.equal(await refused("add", "more", "--link", "lte"), "link-unknown");
  assert.equal(
    await refused("add", "more", "--application", "wifi-calling", "--way", "block"),
    "rule-contradicts",
  );
  assert.equal(await refused("move", "calls", "--before", "nothing"), "rule-unknown");
  assert.equal(await refused("remove", "nothing"), "rule-unknown");
  assert.equal(await refused("add", "silent"), "usage");
  assert.deepEqual(await names(), ["calls", "films"]);
});

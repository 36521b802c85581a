import { strict as assert } from "node:assert";
import type { LogLine } from "../client/types.ts";
import { Secrets } from "../config/secrets.ts";
import { formatLine, Logs, readLines } from "./log.ts";

const line = (message: string, properties?: LogLine["properties"]): LogLine => ({
  atMs: 0,
  level: "info",
  plugin: "qos",
  message,
  properties,
});

async function withFolder(body: (folder: string) => void | Promise<void>): Promise<void> {
  const folder = Deno.makeTempDirSync({ prefix: "otb" });
  try {
    await body(folder);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

async function run(...command: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(command[0]!, { args: command.slice(1) }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
}

Deno.test("logs reach the file, the tail of the next core and whoever follows", () =>
  withFolder((folder) => {
    const logs = new Logs(folder);
    const heard: string[] = [];
    logs.follow(() => {
      throw new Error("this terminal is gone");
    });
    const stop = logs.follow(({ message }) => heard.push(message));
    logs.write(line("one", { rttMs: 3 }));
    stop();
    logs.write(line("two"));
    assert.deepEqual([heard, logs.lost], [["one"], 0]);
    assert.deepEqual(new Logs(folder).tail(2, "qos").map(({ message }) => message), ["one", "two"]);
    assert.deepEqual(new Logs(folder).tail(2, "other"), []);
    assert.equal(Deno.statSync(`${folder}/otb.log`).mode! & 0o777, 0o600);
  }));

Deno.test("logs stay bounded, also with huge lines and when somebody removes the file", () =>
  withFolder((folder) => {
    const logs = new Logs(folder);
    const total = () =>
      [...Deno.readDirSync(folder)].reduce(
        (sum, { name }) => sum + Deno.statSync(`${folder}/${name}`).size,
        0,
      );
    for (let count = 0; count < 600; count++) logs.write(line("ä".repeat(1_000_000)));
    assert.ok(total() < 3 * 2.1 * 1024 * 1024, `${total()} bytes`);
    assert.equal([...Deno.readDirSync(folder)].length, 3);
    for (let count = 0; count < 200; count++) {
      for (const { name } of Deno.readDirSync(folder)) Deno.removeSync(`${folder}/${name}`);
      logs.write(line("x".repeat(16_000)));
    }
    assert.equal(logs.lost, 0);
  }));

Deno.test("a full disk loses lines, counts them, stops nothing and tears no later line", () =>
  withFolder(async (folder) => {
    await run("mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", folder);
    try {
      const logs = new Logs(folder);
      for (let count = 0; count < 100; count++) logs.write(line(`${count} ${"x".repeat(5_000)}`));
      assert.ok(logs.lost > 0);
      assert.equal(logs.tail(1)[0]!.message.split(" ")[0], "99");
      const kept = readLines(`${folder}/otb.log`).length;
      await run("mount", "-o", "remount,size=4m", folder);
      logs.write(line("room again"));
      const lines = readLines(`${folder}/otb.log`);
      assert.deepEqual([lines.length, lines.at(-1)!.message], [kept + 1, "room again"]);
    } finally {
      await run("umount", "-l", folder);
    }
  }));

Deno.test("no secret is in a log, in the text or in the properties, whatever characters it has", () =>
  withFolder((folder) => {
    const secrets = new Secrets(`${folder}/secrets`);
    const values = ["c2VjcmV0LWtleQ==", 'quote"and\\slash', "quote", "c2VjcmV0LWtleQ==longer"];
    values.forEach((value, index) => secrets.set(`s${index}`, value));
    const logs = new Logs(folder, secrets.redactor());
    for (const value of values) logs.write(line(`key ${value}.`, { key: value, deep: [{ [value]: value }] }));
    const text = Deno.readTextFileSync(`${folder}/otb.log`);
    assert.ok(!text.includes("c2Vj") && !text.includes("longer") && !text.includes("and"), text);
    assert.equal(logs.tail(4)[0]!.message, "key ***.");
    assert.ok(text.includes("key quote."), "too short to be masked");
  }));

Deno.test("properties that are no JSON and a redactor that breaks it stop nothing", () =>
  withFolder((folder) => {
    const logs = new Logs(folder, (text) => text.replace("}", ""));
    logs.write(line("broken", { a: 1 }));
    logs.write(line("big", { a: 1n } as never));
    assert.deepEqual(readLines(`${folder}/otb.log`).map(({ message }) => message), ["broken", "big"]);
  }));

Deno.test("a line for a terminal is one line, and sends it nothing", () => {
  assert.equal(
    formatLine({ ...line("up\n\x1b[2Jgone", { link: "fibre", rttMs: 3 }), level: "warning" }),
    "00:00:00 warning qos: up\\x0a\\x1b[2Jgone link=fibre rttMs=3",
  );
  assert.match(formatLine(line("a\u202eb\u009b2Jc")), /a\\u\{202e\}b\\x9b2Jc/);
});

import { strict as assert } from "node:assert";
import { Secrets } from "./secrets.ts";

Deno.test("an open directory exposes its secrets, and a crash's leftover lends its mode to nothing", () => {
  const folder = Deno.makeTempDirSync({ prefix: "otb" });
  try {
    const secrets = new Secrets(`${folder}/secrets`);
    assert.deepEqual(secrets.names(), []);
    secrets.set("psk", "one");
    Deno.writeTextFileSync(`${folder}/secrets/psk.new`, "torn", { mode: 0o644 });
    Deno.chmodSync(`${folder}/secrets/psk.new`, 0o644);
    secrets.set("psk", "two");
    assert.deepEqual([secrets.get("psk"), secrets.names()], ["two", ["psk"]]);
    Deno.chmodSync(`${folder}/secrets`, 0o750);
    assert.throws(() => secrets.get("psk"), { code: "secret-exposed", next: `chmod 700 ${folder}/secrets` });
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("a full disk leaves the former secret and no rest", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "otb" });
  const run = (...command: string[]) => new Deno.Command(command[0]!, { args: command.slice(1) }).output();
  try {
    assert.ok((await run("mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs", folder)).success);
    const secrets = new Secrets(folder);
    secrets.set("psk", "former");
    assert.throws(() => secrets.set("psk", "x".repeat(200_000)), { code: "disk-full" });
    assert.deepEqual([secrets.get("psk"), [...Deno.readDirSync(folder)].length], ["former", 1]);
    secrets.set("psk", "later");
    assert.equal(secrets.get("psk"), "later");
  } finally {
    await run("umount", "-l", folder);
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("keys within a secret are masked one by one, also those that came later; the rest of it is not", () => {
  const folder = Deno.makeTempDirSync({ prefix: "otb" });
  try {
    const secrets = new Secrets(`${folder}/secrets`);
    const redact = secrets.redactor();
    const [first, second] = ["k", "l"].map((letter) => btoa(letter.repeat(32)));
    secrets.set("boxes", JSON.stringify([{ name: "living-room", key: first }]));
    assert.equal(redact(`key ${first} of living-room`), "key *** of living-room");
    secrets.set("boxes", JSON.stringify([{ name: "living-room", key: second }]));
    assert.equal(redact(`key ${second}`), "key ***");
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

import assert from "node:assert/strict";
import { CAPABILITIES, serviceUnit } from "./service_unit.ts";

Deno.test("the unit stops in order, restarts, and leaves plugins at work when the core dies", () => {
  const unit = serviceUnit("/opt/otb/current", "/var/lib/otb");
  for (
    const line of [
      'ExecStart="/opt/otb/current/otb" up --state "/var/lib/otb"',
      'ExecStop="/opt/otb/current/otb" down --state "/var/lib/otb"',
      "Restart=always",
      "KillMode=process",
    ]
  ) assert.ok(unit.split("\n").includes(line), line);
});

Deno.test("systemd takes odd paths literally", () => {
  const unit = serviceUnit('/a b/100%/$x/"q"', "/s");
  assert.ok(unit.includes('ExecStart="/a b/100%%/$$x/\\"q\\"/otb" up --state "/s"'), unit);
});

Deno.test("the unit confines what it runs, each directive with its reason, and lets settings be where they are", () => {
  const unit = serviceUnit("/opt/otb/current", "/var/lib/otb");
  const set = new Set(/^CapabilityBoundingSet=(.*)$/m.exec(unit)![1]!.split(" "));
  assert.deepEqual(set, new Set(Object.keys(CAPABILITIES)));
  for (const never of ["CAP_SYS_ADMIN", "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_BPF"]) {
    assert.ok(!set.has(never), never);
  }
  assert.match(unit, /^ReadWritePaths="\/var\/lib\/otb" "\/opt\/otb\/current\/\.cache"$/m);
  assert.match(unit, /^ProtectHome=yes$/m);
  assert.match(serviceUnit("/opt/otb/current", "/root/otb"), /^ProtectHome=read-only$/m);
  assert.doesNotMatch(serviceUnit("/opt/otb/current", "/tmp/otb"), /^PrivateTmp/m);
  const confining = unit.slice(unit.indexOf("PATH="), unit.indexOf("[Install]")).split("\n\n").slice(1);
  for (const block of confining.filter((block) => block.trim())) assert.match(block, /^# /, block);
});

/** systemd's own opinion, where it is installed. */
Deno.test({
  name: "systemd takes every line of the unit, and finds it little exposed",
  ignore: !exists("/usr/bin/systemd-analyze"),
  async fn() {
    const folder = await Deno.makeTempDir({ prefix: "otb" });
    try {
      // It looks whether the program is there.
      await Deno.mkdir(`${folder}/tree/.cache`, { recursive: true });
      await Deno.writeTextFile(`${folder}/tree/otb`, "#!/bin/sh\n", { mode: 0o755 });
      await Deno.writeTextFile(`${folder}/otb.service`, serviceUnit(`${folder}/tree`, "/var/lib/otb"));
      const analyze = async (...args: string[]) => {
        const { stdout, stderr } = await new Deno.Command("systemd-analyze", { args }).output();
        return new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
      };
      const verified = await analyze("verify", "--recursive-errors=no", `${folder}/otb.service`);
      assert.equal(verified.split("\n").filter((line) => line.includes("otb.service")).join("\n"), "");
      const security = await analyze("security", "--offline=true", "--no-pager", `${folder}/otb.service`);
      const exposure = Number(/exposure level for otb\.service: ([\d.]+)/.exec(security)?.[1]);
      assert.ok(exposure <= 5, security);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

function exists(path: string): boolean {
  try {
    return Deno.statSync(path) !== undefined;
  } catch {
    return false;
  }
}

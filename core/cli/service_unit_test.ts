import assert from "node:assert/strict";
import { serviceUnit } from "./service_unit.ts";

Deno.test("the unit stops in order, restarts, and leaves plugins at work when the core dies", () => {
  const unit = serviceUnit("/opt/otb/otb", "/var/lib/otb");
  for (
    const line of [
      'ExecStart="/opt/otb/otb" up --state "/var/lib/otb"',
      'ExecStop="/opt/otb/otb" down --state "/var/lib/otb"',
      "Restart=always",
      "KillMode=process",
    ]
  ) assert.ok(unit.split("\n").includes(line), line);
});

Deno.test("systemd takes odd paths literally", () => {
  const unit = serviceUnit('/a b/100%/$x/"q"/otb', "/s");
  assert.ok(unit.includes('ExecStart="/a b/100%%/$$x/\\"q\\"/otb" up --state "/s"'), unit);
});

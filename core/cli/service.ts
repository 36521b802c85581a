// `otb service`: otb as a unit of systemd, so that it starts with the machine and comes back after a crash.
import { fileURLToPath } from "node:url";
import { OtbError } from "../client.ts";
import { serviceUnit } from "./service_unit.ts";
import { notRoot } from "./terminal.ts";
import { type Cli, group, verb } from "./verb.ts";

const UNIT = "otb.service";
const UNIT_FILE = `/etc/systemd/system/${UNIT}`;

const install = verb("install", {
  brief: "Start otb with the machine, and now.",
  example: "sudo otb service install",
  options: {},
  run: (_, cli) => installService(cli),
});

/** Installs the unit, enables and starts it. @throws OtbError `not-root`, `no-systemd`, `not-initialised`, `systemctl-failed` */
export async function installService({ state, print, withCore }: Cli): Promise<void> {
  requireSystemd("service install");
  await withCore(() => Promise.resolve());
  const launcher = fileURLToPath(new URL("../../otb", import.meta.url));
  await Deno.writeTextFile(UNIT_FILE, serviceUnit(launcher, await Deno.realPath(state)));
  await systemctl("daemon-reload");
  await systemctl("enable", "--now", UNIT);
  print(
    { installed: UNIT_FILE },
    () => `Installed and started (${UNIT_FILE}). Look at it with: otb status`,
  );
}

const remove = verb("remove", {
  brief: "Stop otb and no longer start it with the machine; settings stay.",
  example: "sudo otb service remove",
  options: {},
  async run(_, { print }) {
    requireSystemd("service remove");
    const installed = await Deno.stat(UNIT_FILE).then(() => true, () => false);
    if (installed) {
      await systemctl("disable", "--now", UNIT);
      await Deno.remove(UNIT_FILE);
      await systemctl("daemon-reload");
    }
    print({ removed: installed }, () => installed ? "Stopped and removed." : "It was not installed.");
  },
});

/** `otb service`. */
export const serviceVerbs = group(
  "service",
  "otb as a service of systemd.",
  [install, remove],
  "sudo otb service install",
);

function requireSystemd(verb: string): void {
  if (Deno.uid() !== 0) throw notRoot(verb);
  try {
    // sd_booted(3)
    Deno.statSync("/run/systemd/system");
  } catch {
    throw new OtbError(
      "no-systemd",
      "Cannot install a service as systemd must run here",
      "Have your init system run: otb up",
    );
  }
}

async function systemctl(...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command("systemctl", { args, stdin: "null", stdout: "null" })
    .output();
  if (success) return;
  throw new OtbError(
    "systemctl-failed",
    `Cannot change the service as systemctl ${args.join(" ")} failed: ${
      new TextDecoder().decode(stderr).trim()
    }`,
    `systemctl status ${UNIT}`,
  );
}

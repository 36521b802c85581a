// `otb service`: otb as a unit of systemd, so that it starts with the machine and comes back after a crash.
import { fileURLToPath } from "node:url";
import { OtbError } from "../client/mod.ts";
import { asCalled } from "./called.ts";
import { lossesAt, mayStop } from "./leaving.ts";
import { installRelease, removeReleases } from "./release.ts";
import { serviceUnit } from "./service_unit.ts";
import { shut } from "./shut.ts";
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

/**
 * Copies this tree to where root alone can change it, installs the unit that runs the copy, enables and starts it.
 *
 * @throws OtbError `not-root`, `no-systemd`, `not-initialised`, `release-not-safe`, `release-incomplete`, `systemctl-failed`
 */
export async function installService({ state, call, print, withCore }: Cli): Promise<void> {
  requireSystemd();
  await withCore(() => Promise.resolve());
  const closing = (await shut(state)).filter((finding) => finding.state !== "ok");
  const root = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");
  const current = installRelease({
    root,
    deno: Deno.execPath(),
    denoDir: Deno.env.get("DENO_DIR") ?? `${root}/.cache/deno-dir`,
  });
  await Deno.writeTextFile(UNIT_FILE, serviceUnit(current, await Deno.realPath(state)));
  await systemctl("daemon-reload");
  await systemctl("enable", UNIT);
  // A new release takes the place of one that runs.
  await systemctl("restart", UNIT);
  print({ installed: UNIT_FILE, release: await Deno.realPath(current), closing }, () => [
    `Installed and started (${UNIT_FILE}). It runs a copy in ${current} that root alone can change; after a change here, install again.`,
    ...closing.flatMap(({ message, next }) => [message, ...next ? [`  next: ${next}`] : []]),
    `Look at it with: ${asCalled("otb status", { ...call, name: `${current}/otb` })}`,
  ]);
}

const remove = verb("remove", {
  brief: "Stop otb and no longer start it with the machine; settings stay.",
  example: "sudo otb service remove",
  options: {},
  async run(_, cli) {
    const { print, withCore } = cli;
    requireSystemd();
    const mayGo = await withCore(async (core) => await mayStop(core, cli, await lossesAt(core))).catch(() =>
      true
    );
    if (!mayGo) return 1;
    const installed = await Deno.stat(UNIT_FILE).then(() => true, () => false);
    if (installed) {
      await systemctl("disable", "--now", UNIT);
      await Deno.remove(UNIT_FILE);
      await systemctl("daemon-reload");
    }
    const remains = await withCore((core) => core.remains()).catch(() => []);
    removeReleases();
    print(
      { removed: installed, remains },
      () => [installed ? "Stopped and removed." : "It was not installed.", ...remains],
    );
  },
});

/** `otb service`. */
export const serviceVerbs = group(
  "service",
  "otb as a service of systemd.",
  [install, remove],
  "sudo otb service install",
);

function requireSystemd(): void {
  if (Deno.uid() !== 0) throw notRoot();
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

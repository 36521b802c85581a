// `otb setup`: from nothing to a box that devices can use, as a dialogue that can be left and taken up again.
import { declaredHere, getPath, initialiseBox, OtbError, type StatusReport } from "../client/mod.ts";
import { askClearly, askLine } from "./answers.ts";
import { change } from "./change.ts";
import { view } from "./declared_verbs.ts";
import { installService } from "./service.ts";
import { readCode } from "./join_word.ts";
import { lead, type PluginStep } from "./setup_guide.ts";
import { type Seen, setupSteps, type Step, suggestLan } from "./setup_steps.ts";
import { notRoot, paint } from "./terminal.ts";
import { type Cli, verb } from "./verb.ts";

const POLL_MS = 1_000;
/** No further modem for this long: perhaps all are there. */
const QUIET_MS = 10_000;

/** `otb setup`. */
export const setupVerb = verb("setup", {
  brief: "Set this box up, step by step; leave it any time and come back.",
  example: "sudo otb setup",
  options: {},
  async run(_, cli) {
    const { terminal, json, print } = cli;
    if (json || !terminal.interactive) {
      const steps = stepsOf(await look(cli), cli);
      print({ steps }, () => lines(steps, terminal.colours));
      return steps.every(({ done }) => done) ? 0 : 1;
    }
    // What is asked here is done by root alone: nobody is asked in vain.
    if (Deno.uid() !== 0) throw notRoot();
    for (;;) {
      const seen = await look(cli);
      const steps = stepsOf(seen, cli);
      terminal.out(`\n${lines(steps, terminal.colours).join("\n")}\n\n`);
      const step = steps.find(({ done }) => !done);
      if (!step) {
        terminal.out("Done. Watch it with: otb status --watch\n");
        return 0;
      }
      if (!await take(step, seen, cli)) {
        terminal.out("Come back with: sudo otb setup\n");
        return 1;
      }
    }
  },
});

/** What is there so far, with everything that a running core tells. */
type Looked = Seen & { status?: StatusReport; guide?: PluginStep };

/** The steps; who would lead says what to do before it runs. */
function stepsOf(seen: Looked, { state }: Cli): Step[] {
  const [first] = declaredHere(state).flatMap(({ declared: { guide } }) => guide ? [guide] : []);
  return setupSteps({ ...seen, guide: seen.guide ?? (first && { state: "open", next: first.next }) });
}

async function look(cli: Cli): Promise<Looked> {
  return await cli.withCore(async (core): Promise<Looked> => {
    const { network } = (await core.config()).effective;
    const status = core.live ? await core.status() : undefined;
    const guide = core.live ? await core.guide(view(cli)) : undefined;
    return {
      role: getPath(network, "role") as string,
      lan: getPath(network, "lan") as Seen["lan"],
      status,
      guide,
    };
  }).catch((error) => {
    if (error instanceof OtbError && error.code === "not-initialised") return {};
    throw error;
  });
}

/** Does one step with the person; false when that person wants to leave. */
async function take({ id, next }: Step, { role, guide }: Looked, cli: Cli): Promise<boolean> {
  const { terminal } = cli;
  switch (id) {
    case "join": {
      if (role !== undefined) {
        throw new OtbError("not-a-box", `Cannot set this up as it must be a box: current value is "${role}"`);
      }
      const joinCode = await askJoinCode(cli);
      if (!joinCode) return false;
      await attempt(cli, () => initialiseBox(cli.state, { joinCode }));
      return true;
    }
    case "lan": {
      const names = ethernets();
      terminal.out(`Interfaces: ${names.join(", ") || "none"}\n`);
      const device = askLine("Which one leads to your devices?", names[0]);
      if (!device) return false;
      const inUse = Deno.networkInterfaces().filter(({ family, name }) =>
        family === "IPv4" && name !== device
      )
        .map(({ cidr }) => cidr);
      const address = askLine("The box's own address there:", suggestLan(inUse));
      if (!address) return false;
      await attempt(cli, () =>
        cli.withCore((core) =>
          change(core, cli, {
            done: `LAN on ${device} set`,
            patch: { network: { lan: { interface: device, address } } },
            yes: true,
          })
        ));
      return true;
    }
    case "running": {
      if (hasSystemd()) {
        if (!askClearly("Start otb now and with the machine?", true)) return false;
        await attempt(cli, () => installService(cli));
      } else terminal.out("There is no systemd here. In another terminal: sudo ./otb up\n");
      return await wait(cli, "Waiting until it runs", (seen) => seen.status !== undefined);
    }
    case "links":
      terminal.out("Plug your modems in, in any order; each is shown when it is found.\n");
      return await awaitModems(cli);
    case "devices":
      return await lead(cli, guide, {
        wait: (what, done) => wait(cli, what, (seen) => seen.status !== undefined && done(seen)),
      });
    default:
      terminal.out(`${next}\n`);
      return await wait(
        cli,
        "Looking for the peer",
        (seen) => stepsOf(seen, cli).every(({ id: other, done }) => other !== id || done),
      );
  }
}

/** Shows each link as it comes up; over when one is there and no more have come for a while. */
async function awaitModems(cli: Cli): Promise<boolean> {
  const told = new Set<string>();
  let quietSince = performance.now();
  return await wait(cli, "Looking for modems", ({ status }) => {
    for (const { name, interface: device, observed } of status?.links ?? []) {
      if (observed.state !== "up" || told.has(name)) continue;
      told.add(name);
      quietSince = performance.now();
      cli.terminal.out(`  ${name}: ${device}, ${observed.address}, modem ${observed.gateway}\n`);
    }
    return told.size > 0 && performance.now() - quietSince > QUIET_MS;
  });
}

/** Looks again and again; false when the person ends it. */
async function wait(cli: Cli, what: string, done: (seen: Looked) => boolean): Promise<boolean> {
  cli.terminal.out(`${what} (Ctrl-C leaves; nothing is lost) ...\n`);
  const { signal } = cli;
  while (!signal.aborted) {
    if (done(await look(cli))) return true;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, POLL_MS);
      signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
    });
  }
  return false;
}

/** What is refused is said, and the step is asked again. */
async function attempt(cli: Cli, body: () => unknown): Promise<void> {
  try {
    await body();
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    cli.terminal.err(`${error.message}\n`);
    const { next } = error as OtbError;
    if (next) cli.terminal.err(`  next: ${next}\n`);
  }
}

/** The code, in as many lines as a mail made of it; undefined when there is none, or the person leaves. */
async function askJoinCode({ terminal, signal }: Cli): Promise<string | undefined> {
  terminal.out("Join code, from otb init cloud on the peer: ");
  const left = new Promise<undefined>((resolve) =>
    signal.addEventListener("abort", () => resolve(undefined), { once: true })
  );
  return (await Promise.race([readCode(Deno.stdin, true), left]))?.trim() || undefined;
}

/** Names of Ethernet interfaces (sysfs(5)). */
function ethernets(): string[] {
  return [...Deno.readDirSync("/sys/class/net")].map(({ name }) => name).filter((name) => {
    try {
      return name !== "lo" && Deno.readTextFileSync(`/sys/class/net/${name}/type`).trim() === "1";
    } catch {
      return false;
    }
  }).sort();
}

function hasSystemd(): boolean {
  try {
    return Deno.statSync("/run/systemd/system").isDirectory;
  } catch {
    return false;
  }
}

function lines(steps: Step[], colours: boolean): string[] {
  const current = steps.findIndex(({ done }) => !done);
  return steps.flatMap(({ title, done, next }, index) => {
    const line = `${done ? "✓" : index === current ? "→" : " "} ${title}`;
    if (done) return [paint(colours, "green", line)];
    return index === current && next ? [paint(colours, "bold", line), `    ${next}`] : [line];
  });
}

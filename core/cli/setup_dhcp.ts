// The last step of `otb setup`: how devices come to use the box, by its own DHCP or by hand.
import type { StatusReport } from "../client.ts";
import { type DhcpStatus, PLUGIN, statusLines, terminalLanguage } from "./dhcp.ts";
import type { Cli } from "./verb.ts";

/** What the dialogue lends. */
export interface Dialogue {
  /** A line from the person; undefined when it is empty or the input ends. */
  ask(question: string, usual?: string): string | undefined;
  /** Looks again and again until it is done; false when the person ends it. */
  wait(what: string, done: (status: StatusReport) => boolean): Promise<boolean>;
}

/** Leads through a takeover of the LAN's DHCP, from wherever it stands; false when the person wants to leave. */
export async function leadDevices(
  cli: Cli,
  { phase, gateway }: { phase: string; gateway: string },
  { ask, wait }: Dialogue,
): Promise<boolean> {
  const { terminal } = cli;
  const act = (name: string) => cli.withCore((core) => core.act(PLUGIN, name));
  if (phase === "off") {
    terminal.out(
      "Devices must use the box as their gateway. It can be their DHCP server: it says which other servers to\n" +
        "switch off and how, tries it, and gives back what nobody confirms.\n",
    );
    const answer = ask("Shall the box give devices their addresses?", "yes");
    if (answer === undefined) return false;
    if (!isYes(answer)) {
      terminal.out(`Then set ${gateway} as gateway in your own DHCP server, or by hand on a device.\n`);
      return await wait("Waiting for the first device", ({ connections }) => connections.total > 0);
    }
    await act("takeover");
  }
  for (;;) {
    let said = "", now: DhcpStatus | undefined;
    const stood = await wait("Looking who gives addresses", (status) => {
      now = dhcpOf(status);
      if (!now) return false;
      // Seconds that run and leases that come are no news.
      const lines = statusLines({ ...now, confirmByMs: undefined, poolSize: 0 }, terminalLanguage(), cli);
      const text = lines.join("\n");
      if (text !== said) terminal.out(`\n${text}\n`);
      said = text;
      return ["trial", "confirmed", "off"].includes(now.phase);
    });
    if (!stood) return false;
    if (now!.phase !== "trial") return true;
    const works = askClearly(
      ask,
      "Try a device: switch its Wi-Fi or cable off and on, and open a page. Does it work? (yes, no)",
    );
    if (works === undefined) {
      terminal.out("It is given back by itself unless kept: otb dhcp confirm\n");
      return false;
    }
    await act(works ? "confirm" : "undo");
    if (works) return true;
    terminal.out("Given back. Switch the modem's own DHCP server on again.\n");
    return false;
  }
}

function dhcpOf({ plugins }: StatusReport): DhcpStatus | undefined {
  const report = plugins.find(({ name }) => name === PLUGIN);
  return report?.state === "ready" && report.status.phase
    ? report.status as unknown as DhcpStatus
    : undefined;
}

/** A clear yes or no, asked for until it comes; undefined when the person leaves. */
export function askClearly(ask: Dialogue["ask"], question: string): boolean | undefined {
  for (let text = question;; text = `Please answer yes or no. ${question}`) {
    const answer = ask(text);
    if (answer === undefined) return undefined;
    if (isYes(answer)) return true;
    if (/^n(o|on)?$/i.test(answer)) return false;
  }
}

function isYes(answer: string): boolean {
  return /^(y(es)?|o(ui)?)$/i.test(answer);
}

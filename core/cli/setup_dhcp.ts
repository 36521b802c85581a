// The last step of `otb setup`: how devices come to use the box, by its own DHCP or by hand.
import type { StatusReport } from "../client/mod.ts";
import { askClearly } from "./answers.ts";
import { type DhcpStatus, PLUGIN, statusLines } from "./dhcp.ts";
import { terminalLanguage } from "./language.ts";
import { dhcpOf } from "./leaving.ts";
import type { Cli } from "./verb.ts";

/** What the dialogue lends. */
export interface Dialogue {
  /** Looks again and again until it is done; false when the person ends it. */
  wait(what: string, done: (status: StatusReport) => boolean): Promise<boolean>;
}

/** Leads through a takeover of the LAN's DHCP, from wherever it stands; false when the person wants to leave. */
export async function leadDevices(
  cli: Cli,
  { phase, gateway }: { phase: string; gateway: string },
  { wait }: Dialogue,
): Promise<boolean> {
  const { terminal } = cli;
  const act = (name: string) => cli.withCore((core) => core.act(PLUGIN, name));
  if (phase === "off") {
    terminal.out(
      "Devices must use the box as their gateway. It can be their DHCP server: it says which other servers to\n" +
        "switch off and how, tries it, and gives back what nobody confirms.\n",
    );
    const answer = askClearly("Shall the box give devices their addresses?", true);
    if (answer === undefined) return false;
    if (!answer) {
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
      const text = (more: Partial<DhcpStatus>) =>
        statusLines({ ...now!, ...more, confirmByMs: undefined, poolSize: 0 }, terminalLanguage(), cli).join(
          "\n",
        );
      // Seconds that run and leases that come are no news; how many seconds it will be is said once.
      const news = text({ silentByMs: undefined });
      if (news !== said) terminal.out(`\n${text({})}\n`);
      said = news;
      return ["trial", "confirmed", "off"].includes(now.phase);
    });
    if (!stood) return false;
    if (now!.phase !== "trial") return true;
    const works = askClearly(
      "Try a device: switch its Wi-Fi or cable off and on, and open a page. Does it work?",
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

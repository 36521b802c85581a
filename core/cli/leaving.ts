// What the LAN loses when the box stops while it is the one that gives addresses: said before it happens, with a better way.
import type { Core, StatusReport } from "../client/mod.ts";
import { askClearly } from "./answers.ts";
import { type DhcpStatus, PLUGIN, statusLines } from "./dhcp.ts";
import { terminalLanguage } from "./language.ts";
import { duration } from "./format.ts";
import type { Cli } from "./verb.ts";

/** What has to be said, and whether the addresses can be given back to somebody first. */
export interface Loss {
  sentences: string[];
  canGiveBack: boolean;
}

/** Settings of the server that matter to devices that it leaves. */
interface Leases {
  trialLeaseSeconds: number;
  leaseSeconds: number;
  renewSeconds: number;
}

/** What devices lose when this box stops; undefined when others give them their addresses. Pure. */
export function lossOf(
  { serving, servers }: Pick<DhcpStatus, "serving" | "servers">,
  { trialLeaseSeconds, leaseSeconds, renewSeconds }: Leases,
): Loss | undefined {
  if (serving === "no") return undefined;
  const isConfirmed = serving === "confirmed";
  const lease = isConfirmed ? leaseSeconds : trialLeaseSeconds;
  // Half a lease to the first question and seven eighths to the last one where nothing else was said (RFC 2131 section 4.4.5).
  const asksAll = isConfirmed ? Math.min(renewSeconds * 1.5, lease) : lease * 7 / 8;
  const canGiveBack = serving !== "for-modem" && servers.some(({ router, network }) => router && network);
  return {
    canGiveBack,
    sentences: [
      "The box gives the LAN's devices their addresses and is their way out: once it stops they reach nothing.",
      `A device keeps its address and looks for another DHCP server within ${duration(asksAll * 1000)}` +
      `${
        asksAll < lease ? `, some only after ${duration(lease * 1000)}` : ""
      }; with its cable or Wi-Fi off and on, at once.`,
      serving === "for-modem"
        ? "They are given back, but the modem's own DHCP server does not answer yet: switch it on first (otb dhcp status)."
        : canGiveBack
        ? "Give them back to the modem first: otb dhcp undo leads them there. Then switch its DHCP server on, and stop."
        : "Nobody is known to whom they could be given back: have another DHCP server on the LAN first.",
    ],
  };
}

/** What stopping the box of `core` would take from its LAN; undefined when nothing, or nobody can tell. */
export async function lossAt(core: Core): Promise<Loss | undefined> {
  if (!core.live) return undefined;
  const status = dhcpOf(await core.status());
  const settings = status && (await core.config()).effective.plugins[PLUGIN];
  return settings ? lossOf(status, settings as unknown as Leases) : undefined;
}

/**
 * Tells a person what stopping takes from the LAN, and lets them give it back instead; answers whether to stop.
 * Without a person to ask it is told and done.
 */
export async function mayStop(core: Core, cli: Cli, loss: Loss | undefined): Promise<boolean> {
  if (!loss || cli.json) return true;
  const { terminal } = cli;
  terminal.err(`${loss.sentences.join("\n")}\n`);
  if (!terminal.interactive) return true;
  const back = askClearly(
    loss.canGiveBack ? "Give them back first, and stop later?" : "Leave the box running?",
  );
  if (back === false) return true;
  if (back && loss.canGiveBack) {
    const now = await core.act(PLUGIN, "undo") as unknown as DhcpStatus;
    terminal.out(`${statusLines(now, terminalLanguage(), cli).join("\n")}\n`);
    terminal.out("It still runs. Stop it once the modem's server answers: otb dhcp status tells.\n");
  } else terminal.out("Nothing was changed; it still runs.\n");
  return false;
}

/** How the LAN's DHCP stands, where the plugin runs. */
export function dhcpOf({ plugins }: Pick<StatusReport, "plugins">): DhcpStatus | undefined {
  const report = plugins.find(({ name }) => name === PLUGIN);
  return report?.state === "ready" && report.status.phase
    ? report.status as unknown as DhcpStatus
    : undefined;
}

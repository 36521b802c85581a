// What a box still needs until devices can use it, one step after the other. Pure.
import { type GuideStep, type Link, overlaps, type StatusReport } from "../client/mod.ts";

/** One step; `next` says what to do while it is not done. */
export interface Step {
  id: "join" | "lan" | "running" | "links" | "peer" | "devices";
  title: string;
  done: boolean;
  next?: string;
}

/** What is there so far. */
export interface Seen {
  /** Undefined while nothing was initialised. */
  role?: string;
  lan?: { interface: string; address: string };
  /** Undefined while no core runs. */
  status?: Pick<StatusReport, "links" | "health" | "connections">;
  /** How far the plugin is that leads devices here; undefined where none tells. */
  guide?: Pick<GuideStep, "state" | "next">;
}

/** Private networks for a LAN, away from what modems like to take (192.168.0 to 192.168.2, 192.168.8, 192.168.100 of Starlink). */
const LANS = [177, 178, 179, 222, 223].map((part) => `192.168.${part}.1/24`);

const BY_HAND = "Set the gateway in your own DHCP server, or by hand on a device.";

/** All steps, in their order; the first that is not done is the one to take. */
export function setupSteps({ role, lan, status, guide = { state: "open", next: BY_HAND } }: Seen): Step[] {
  const up = status?.links.filter(({ tier, observed }) => tier !== "never" && observed.state === "up") ?? [];
  const wrong = status?.health.find(({ code }) => code.startsWith("peer-"));
  const answers = up.some(({ path }) => path?.state === "active" && path.rttMs !== undefined);
  return [
    {
      id: "join",
      title: "Join a peer",
      done: role === "box",
      next: "On the peer: sudo otb init cloud --address ITS-ADDRESS. Here: sudo otb init box --join -",
    },
    {
      id: "lan",
      title: lan ? `LAN on ${lan.interface}, ${lan.address}` : "Say where the LAN is",
      done: lan !== undefined,
      next: `sudo otb lan set --interface IF --address ${LANS[0]}`,
    },
    {
      id: "running",
      title: "Start otb",
      done: status !== undefined,
      next: "sudo otb service install, or sudo otb up",
    },
    {
      id: "links",
      title: up.length > 0 ? `Links: ${up.map(describe).join(", ")}` : "Plug the modems in",
      done: up.length > 0,
      next: "Plug a modem in, or set a link by hand: sudo otb link add NAME --interface IF",
    },
    {
      id: "peer",
      title: "Reach the peer",
      done: answers && wrong === undefined,
      next: wrong?.next ?? wrong?.message ?? "It is looked for as soon as a link is up.",
    },
    {
      id: "devices",
      title: `Devices use ${lan?.address.split("/")[0] ?? "the box"} as their gateway`,
      // By what a plugin does for it, or by whatever else brought the first of them here.
      done: answers && wrong === undefined &&
        (guide.state === "done" || guide.state === "open" && (status?.connections.total ?? 0) > 0),
      next: guide.next,
    },
  ];
}

function describe({ name, interface: device, observed }: Link): string {
  return `${name} (${device}, ${observed.address ?? "no address"})`;
}

/** A network for the LAN that none of the addresses in use (CIDR, IPv4) lies in or reaches into. */
export function suggestLan(inUse: string[]): string {
  return LANS.find((candidate) => !inUse.some((range) => overlaps(range, candidate))) ?? LANS[0]!;
}

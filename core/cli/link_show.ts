// `otb link show`: how one link is and what it can do, in words.
import { message } from "@optique/core/message";
import { argument, option } from "@optique/core/primitives";
import { string } from "@optique/core/valueparser";
import type { Core, StatusReport } from "../client/mod.ts";
import { duration, lossWords, milliseconds, printable, rate } from "./format.ts";
import { wrap } from "./table.ts";
import { unknown } from "./unknown.ts";
import { verb } from "./verb.ts";

/** The plugin that finds and watches links. */
export const WATCHER = "wan-discovery";

/** What the watcher tells of a link; what is absent is not known. */
interface Described {
  health: { state: string; reason?: string };
  preflight?: {
    atMs: number;
    publicAddress?: string;
    nat: "none" | "modem" | "carrier" | "unknown";
    udp: boolean;
    mptcp?: boolean;
    mtu?: number;
    portal?: string;
    ipv6: boolean;
    rttMs?: number;
    jitterMs?: number;
    operator?: string;
    kind?: string;
  };
  fastest: { downBitsPerSecond: number; upBitsPerSecond: number };
}

const NAT = {
  none: "none: the link's own address is public",
  modem: "by the modem alone",
  carrier: "by the operator too: nobody can connect from outside over this link",
  unknown: "not known: the modem does not tell its own address",
};

/** `otb link show`. */
export const show = verb("show", {
  brief: "Show how a link is and what it can do.",
  example: "otb link show fibre",
  options: {
    name: argument(string({ metavar: "NAME" }), { description: message`The link's name.` }),
    check: option("--check", { description: message`Look anew, which takes up to ten seconds.` }),
  },
  run: ({ name, check }, cli) =>
    cli.withCore(async (core) => {
      const { links } = await core.status();
      const link = links.find((link) => link.name === name);
      if (!link) {
        throw unknown("link", name, links.map(({ name }) => name));
      }
      const described = await describe(core, check ? "preflight" : "describe", name);
      cli.print({ name, ...described, observed: link.observed, path: link.path }, () =>
        lines(link, described, cli.terminal.width));
    }),
});

async function describe(core: Core, action: string, link: string): Promise<Described> {
  return await core.act(WATCHER, action, { link }) as unknown as Described;
}

function lines(
  { name, interface: device, tier, observed, path }: StatusReport["links"][number],
  described: Described,
  terminalWidth: number,
): string[] {
  const { health, preflight, fastest } = described;
  const rows: [string, string | undefined][] = [
    ["Where", `${device}, ${observed.address ?? "no address"}, gateway ${observed.gateway ?? "not known"}`],
    ["Tier", tier],
    [
      "Path",
      path && [
        path.state,
        path.rttMs === undefined ? "" : `round trip ${milliseconds(path.rttMs)}`,
        lossWords(path.loss, path.lineLoss) ?? "",
      ].filter((part) => part !== "").join(", "),
    ],
    [
      "Fastest seen",
      fastest.downBitsPerSecond + fastest.upBitsPerSecond > 0
        ? `${rate(fastest.downBitsPerSecond)} down, ${rate(fastest.upBitsPerSecond)} up`
        : undefined,
    ],
  ];
  if (preflight) {
    rows.push(
      ["Public address", preflight.publicAddress ?? "not known"],
      ["Operator", preflight.operator ?? "not known"],
      ["Kind", preflight.kind],
      ["Translation", NAT[preflight.nat]],
      ["Multipath TCP", yesNo(preflight.mptcp, "passes", "does not pass")],
      ["UDP", preflight.udp ? "passes" : "no answer"],
      ["Largest packet", preflight.mtu === undefined ? "not known" : `${preflight.mtu} bytes`],
      ["IPv6", preflight.ipv6 ? "offered by the modem" : "not offered"],
      ["Login page", preflight.portal ?? "none"],
      [
        "Round trip",
        preflight.rttMs === undefined
          ? undefined
          : `${milliseconds(preflight.rttMs)}${
            preflight.jitterMs === undefined ? "" : `, varies by ${milliseconds(preflight.jitterMs)}`
          }`,
      ],
      ["Looked at", `${duration(Date.now() - preflight.atMs)} ago; anew: otb link show ${name} --check`],
    );
  }
  const indent = Math.max(...rows.map(([title]) => title.length)) + 2;
  const said = `Link ${name} is ${health.state}${health.reason ? `: ${printable(health.reason)}` : ""}`;
  return [
    ...wrap(said, terminalWidth),
    ...rows.flatMap(([title, value]) =>
      value === undefined
        ? []
        : wrap(printable(value), Math.max(30, terminalWidth - indent)).map((line, index) =>
          (index === 0 ? title : "").padEnd(indent) + line
        )
    ),
  ];
}

function yesNo(value: boolean | undefined, yes: string, no: string): string {
  return value === undefined ? "not known" : value ? yes : no;
}

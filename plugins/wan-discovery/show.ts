// `otb link show`: how one link is and what it can do, in words.
import * as z from "zod/mini";
import {
  action,
  type Block,
  duration,
  field,
  type Json,
  type Link,
  lossWords,
  milliseconds,
  type PathFact,
  rate,
  unknown,
} from "@otb/plugin";

/** Who knows links. */
interface Watcher {
  links: readonly Link[];
  pathOf(link: string): PathFact | undefined;
  describe(link: string): Json;
  preflight(link: string): Promise<Json>;
}

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

/** The running plugin, as far as it knows links. */
interface Running {
  health: Watcher;
}

const NAT = {
  none: "none: the link's own address is public",
  modem: "by the modem alone",
  carrier: "by the operator too: nobody can connect from outside over this link",
  unknown: "not known: the modem does not tell its own address",
};

/** What is told of a link. */
type Shown = Described & { name: string };

export const show = action({
  title: "Show a link",
  summary: "Show how a link is and what it can do.",
  verb: "link show",
  after: "list",
  example: "otb link show fibre",
  args: z.strictObject({
    name: field(z.string(), { positional: true, metavar: "NAME", description: "The link's name." }),
    check: field(z._default(z.boolean(), false), {
      description: "Look anew, which takes up to ten seconds.",
    }),
  }),
  async run({ health }: Running, { name, check }) {
    const link = health.links.find((link) => link.name === name);
    if (!link) throw unknown("link", name, health.links.map(({ name }) => name));
    const { path: _, ...described } = await (check ? health.preflight(name) : health.describe(name)) as {
      path?: Json;
      [part: string]: Json | undefined;
    };
    const { observed } = link;
    return JSON.parse(JSON.stringify({ name, ...described, observed, path: health.pathOf(name) }));
  },
  show: (shown: Shown, { nowMs }, running) => {
    const link = running?.health.links.find((link) => link.name === shown.name);
    return link ? blocks(link, running?.health.pathOf(link.name), shown, nowMs) : [];
  },
});

function blocks(
  { name, interface: device, tier, observed }: Link,
  path: PathFact | undefined,
  { health, preflight, fastest }: Described,
  nowMs: number,
): Block[] {
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
      ["Looked at", `${duration(nowMs - preflight.atMs)} ago; anew: otb link show ${name} --check`],
    );
  }
  return [
    {
      kind: "notice",
      text: `Link ${name} is ${health.state}${health.reason ? `: ${health.reason}` : ""}`,
    },
    ...rows.flatMap(([label, value]): Block[] => value === undefined ? [] : [{ kind: "stat", label, value }]),
  ];
}

function yesNo(value: boolean | undefined, yes: string, no: string): string {
  return value === undefined ? "not known" : value ? yes : no;
}

// `otb dhcp`: the LAN's addresses, who gives them, and fixed ones.
import { message } from "@optique/core/message";
import { optional } from "@optique/core/modifiers";
import { argument, option } from "@optique/core/primitives";
import { string } from "@optique/core/valueparser";
import { type Core, getPath, type Json, OtbError } from "../client/mod.ts";
import { change } from "./change.ts";
import { given, yes } from "./options.ts";
import { table, wrap } from "./table.ts";
import { type Cli, group, type Verb, verb } from "./verb.ts";

/** The plugin that gives addresses. */
export const PLUGIN = "dhcp-takeover";

/** What it tells of itself. */
export interface DhcpStatus {
  phase: string;
  sentence: string;
  /** Whether the box serves now, and as what. */
  serving: "no" | "trial" | "confirmed" | "for-modem";
  confirmByMs?: number;
  /** When the box serves if every other server stays silent until then. */
  silentByMs?: number;
  servers: {
    mac: string;
    server: string;
    router: string;
    vendor: string;
    network: string;
    isAnswering: boolean;
  }[];
  instructions: { title: string; server: string; url: string; en: string[]; fr: string[] }[];
  leaseCount: number;
  poolSize: number;
}

interface Lease {
  mac: string;
  address: string;
  name: string;
  expiresMs: number;
  reserved: boolean;
}

const status = verb("status", {
  brief: "Show who gives the LAN's addresses, and what to do next.",
  example: "sudo otb dhcp status",
  options: {},
  run: (_, cli) =>
    cli.withCore(async (core) => {
      const found = await statusOf(core);
      cli.print(found, () => statusLines(found, cli.language, cli));
    }),
});

const leases = verb("leases", {
  brief: "List the addresses that were given.",
  example: "sudo otb dhcp leases",
  options: {},
  run: (_, { print, withCore, terminal }) =>
    withCore(async (core) => {
      const found = await core.act(PLUGIN, "leases") as unknown as Lease[];
      print({ leases: found }, () =>
        found.length === 0 ? "No address was given yet." : table(
          [
            { title: "DEVICE", shrink: true },
            { title: "ADDRESS" },
            { title: "MAC" },
            { title: "UNTIL" },
            { title: "" },
          ],
          found.map(({ name, address, mac, expiresMs, reserved }) => [
            name,
            address,
            mac,
            expiresMs === 0 ? "for ever" : new Date(expiresMs).toISOString().slice(0, 19).replace("T", " "),
            reserved ? "reserved" : "",
          ]),
          terminal.width,
        ));
    }),
});

const reserve = verb("reserve", {
  brief: "Give a device always the same address.",
  example: "sudo otb dhcp reserve 02:00:00:00:00:01 192.168.100.20 --name printer",
  options: {
    mac: argument(string({ metavar: "MAC" })),
    address: argument(string({ metavar: "IP" })),
    name: optional(option("--name", string({ metavar: "NAME" }), { description: message`Its host name.` })),
    yes,
  },
  run: ({ mac, address, name, yes }, cli) =>
    cli.withCore((core) =>
      reservation(core, cli, `${address} reserved for ${mac}`, mac, given({ address, name }) as Json, yes)
    ),
});

const unreserve = verb("unreserve", {
  brief: "Take back a device's fixed address.",
  example: "sudo otb dhcp unreserve 02:00:00:00:00:01",
  options: { mac: argument(string({ metavar: "MAC" })), yes },
  run: ({ mac, yes }, cli) =>
    cli.withCore(async (core) => {
      const { effective } = await core.config();
      const known = Object.keys(getPath(effective.plugins[PLUGIN] ?? {}, "reservations") ?? {});
      if (!known.includes(mac.toLowerCase())) {
        throw new OtbError(
          "reservation-unknown",
          `Cannot take back a reservation as ${
            known.join(", ") || "nobody"
          } has one: current value is "${mac}"`,
          "otb config get dhcp-takeover.reservations",
        );
      }
      await reservation(core, cli, `Reservation of ${mac} taken back`, mac, null, yes);
    }),
});

/** `otb dhcp`. */
export const dhcpVerbs = group(
  "dhcp",
  "The LAN's addresses: take over from the modem, confirm, give back.",
  [
    status,
    step("takeover", "Become the LAN's DHCP server, step by step."),
    step("recheck", "Look again, after a modem's server was switched off."),
    step("confirm", "Keep it: devices work."),
    step("undo", "Give back to the modem."),
    leases,
    reserve,
    unreserve,
  ],
  "sudo otb dhcp takeover",
  "While the box serves, it is the devices' way out. Before it stops, or is taken away, give back with otb dhcp undo " +
    "and switch the modem's DHCP server on: devices follow within minutes. One that is pulled out leads nobody: devices " +
    "keep their addresses and reach nothing until the modem's server is on and they ask again, after 45 minutes at most " +
    "by the usual settings, some only when their lease ends (12 hours); with cable or Wi-Fi off and on, at once.",
);

/** A verb that is an action of the plugin and shows how things stand then. */
function step(name: string, brief: string): Verb {
  return verb(name, {
    brief,
    example: `sudo otb dhcp ${name}`,
    options: {},
    run: (_, cli) =>
      cli.withCore(async (core) => {
        const found = await core.act(PLUGIN, name) as unknown as DhcpStatus;
        cli.print(found, () => statusLines(found, cli.language, cli));
      }),
  });
}

function reservation(
  core: Core,
  cli: Cli,
  done: string,
  mac: string,
  value: Json,
  yes: boolean,
): Promise<void> {
  const patch = { plugins: { [PLUGIN]: { reservations: { [mac.toLowerCase()]: value } } } };
  return change(core, cli, { done, patch, yes });
}

/** How it stands. @throws OtbError `plugin-not-ready` */
export async function statusOf(core: Core): Promise<DhcpStatus> {
  const report = (await core.status()).plugins.find(({ name }) => name === PLUGIN);
  if (report?.state === "ready" && report.status.phase) return report.status as unknown as DhcpStatus;
  throw new OtbError(
    "plugin-not-ready",
    `Cannot tell of the LAN's DHCP as ${PLUGIN} must be ready: current value is "${
      report?.state ?? "not there"
    }"`,
    "otb status",
  );
}

/** How it stands and what to do, as lines for a person. */
export function statusLines(
  found: DhcpStatus,
  language: "en" | "fr",
  { terminal: { width } }: Pick<Cli, "terminal">,
): string[] {
  const { sentence, servers, instructions, confirmByMs, silentByMs, leaseCount, poolSize } = found;
  const lines = [sentence];
  if (silentByMs !== undefined) {
    const seconds = Math.round((silentByMs - Date.now()) / 1000);
    lines.push(
      seconds > 0
        ? `If it does, the box serves addresses in ${seconds} s.`
        : "The box serves addresses once everybody was asked once more.",
    );
  }
  if (poolSize > 0) lines.push(`${leaseCount} of ${poolSize} addresses are given (otb dhcp leases).`);
  if (confirmByMs !== undefined) {
    lines.push(
      `Given back in ${
        Math.max(0, Math.round((confirmByMs - Date.now()) / 1000))
      } s unless kept: otb dhcp confirm`,
    );
  }
  if (servers.length > 0) {
    lines.push(
      "",
      ...table(
        [{ title: "OTHER SERVER" }, { title: "ADDRESS" }, { title: "NETWORK" }, {
          title: "WHAT",
          shrink: true,
        }, {
          title: "ANSWERS",
        }],
        servers.map(({ mac, server, network, vendor, isAnswering }) => [
          mac,
          server,
          network,
          vendor,
          isAnswering ? "yes" : "no",
        ]),
        width,
      ),
    );
  }
  for (const { title, url, ...steps } of instructions) {
    lines.push("", `${title}, ${url}`);
    for (const [index, text] of steps[language].entries()) {
      const [first = "", ...rest] = wrap(text, Math.max(40, width - 5));
      lines.push(`  ${index + 1}. ${first}`, ...rest.map((line) => `     ${line}`));
    }
  }
  return lines;
}

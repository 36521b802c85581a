// `otb link`: the ways to the Internet, as settings.
import { message } from "@optique/core/message";
import { multiple, optional } from "@optique/core/modifiers";
import { argument, option } from "@optique/core/primitives";
import { choice, string } from "@optique/core/valueparser";
import { type Core, getPath, type Json, OtbError, unknown } from "../client/mod.ts";
import { change } from "./change.ts";
import { given, interfaceName, linkSettings, yes } from "./options.ts";
import { table } from "./table.ts";
import { UsageError } from "./terminal.ts";
import { group, verb } from "./verb.ts";

const nameArgument = argument(string({ metavar: "NAME" }), { description: message`The link's name.` });

interface LinkSettings {
  interface: string;
  address?: string;
  gateway?: string;
  tier: string;
  downMbps?: number;
  upMbps?: number;
}

const add = verb("add", {
  brief: "Add a way to the Internet.",
  example: "sudo otb link add fibre --interface eth1 --address 192.168.1.2/24 --gateway 192.168.1.1",
  options: { name: nameArgument, interface: interfaceName, ...linkSettings, yes },
  run: ({ name, yes, ...settings }, cli) =>
    cli.withCore(async (core) => {
      const { links, revision } = await read(core);
      if (Object.hasOwn(links, name)) {
        throw new OtbError(
          "link-exists",
          `Cannot add link "${name}" as there is one of that name: current value is "${
            links[name]!.interface
          }"`,
          `otb link set ${name}, or choose another name.`,
        );
      }
      await change(core, cli, {
        base: revision,
        done: `Link "${name}" added`,
        patch: { network: { links: { [name]: given(settings) as Json } } },
        yes,
      });
    }),
});

const set = verb("set", {
  brief: "Change settings of a link.",
  example: "sudo otb link set lte --tier backup",
  options: {
    name: nameArgument,
    interface: optional(interfaceName),
    ...linkSettings,
    unset: multiple(option("--unset", choice(["address", "gateway", "tier", "down-mbps", "up-mbps"]), {
      description: message`Take a setting back to its default; may be given several times.`,
    })),
    yes,
  },
  run: ({ name, yes, unset, ...settings }, cli) =>
    cli.withCore(async (core) => {
      const patch = {
        ...Object.fromEntries(unset.map((option) => [camelCase(option), null])),
        ...given(settings),
      } as { [name: string]: Json };
      if (Object.keys(patch).length === 0) {
        throw new UsageError(`Cannot change link "${name}" as no setting was named`, "otb link set --help");
      }
      const { revision } = await known(core, name);
      await change(core, cli, {
        base: revision,
        done: `Link "${name}" changed`,
        patch: { network: { links: { [name]: patch } } },
        yes,
      });
    }),
});

const remove = verb("remove", {
  brief: "Remove a link that was set, or forget one that was found and is gone.",
  example: "sudo otb link remove lte",
  options: { name: nameArgument, yes },
  run: ({ name, yes }, cli) =>
    cli.withCore(async (core) => {
      const { links, revision } = await known(core, name);
      if (core.live && (await core.status()).links.some((link) => link.name === name && link.found)) {
        await core.forgetLink(name);
        if (!Object.hasOwn(links, name)) return cli.print({ link: name }, () => `Link "${name}" forgotten.`);
      }
      await change(core, cli, {
        base: revision,
        done: `Link "${name}" removed`,
        patch: { network: { links: { [name]: null } } },
        yes,
      });
    }),
});

const list = verb("list", {
  brief: "List the links as they are set or were found; otb status shows how they are.",
  example: "otb link list",
  options: {},
  run: (_, { print, withCore, terminal }) =>
    withCore(async (core) => {
      const settings = Object.entries((await read(core)).links).map(([name, link]) => ({ name, ...link }));
      const names = new Set(settings.filter((link) => link.interface).map(({ name }) => name));
      const found = core.live ? (await core.status()).links.filter(({ name }) => !names.has(name)) : [];
      const links: (LinkSettings & { name: string; found?: boolean })[] = [
        ...settings.filter(({ name }) => names.has(name)),
        ...found.map(({ name, interface: device, tier, downMbps, upMbps, observed }) => ({
          name,
          interface: device,
          tier,
          downMbps,
          upMbps,
          address: observed.address,
          gateway: observed.gateway,
          found: true,
        })),
      ];
      print({ links }, () =>
        links.length === 0 ? "No link yet: plug a modem in, or sudo otb link add NAME --interface IF" : table(
          [
            { title: "LINK", shrink: true },
            { title: "INTERFACE" },
            { title: "TIER" },
            { title: "ADDRESS", shrink: true },
            { title: "GATEWAY", shrink: true },
            { title: "CAP DOWN/UP" },
          ],
          links.map(({ name, interface: device, tier, address, gateway, downMbps, upMbps, found }) => [
            found ? `${name} (found)` : name,
            device,
            tier,
            address ?? "as the system says",
            gateway ?? "",
            downMbps || upMbps ? `${downMbps ?? "-"}/${upMbps ?? "-"} Mbit/s` : "",
          ]),
          terminal.width,
        ));
    }),
});

/** `otb link`. */
export const linkVerbs = group(
  "link",
  "The ways to the Internet of a box.",
  [add, list, set, remove],
  "sudo otb link add fibre --interface eth1",
);

async function read(core: Core): Promise<{ links: { [name: string]: LinkSettings }; revision: number }> {
  const { effective, revision } = await core.config();
  return { revision, links: (getPath(effective.network, "links") ?? {}) as never };
}

/** @throws OtbError `link-unknown` */
async function known(core: Core, name: string) {
  const settings = await read(core);
  // A link that was found can be given settings by its name.
  const found = core.live ? (await core.status()).links.map((link) => link.name) : [];
  const names = [...new Set([...Object.keys(settings.links), ...found])];
  if (names.includes(name)) return settings;
  throw unknown("link", name, names);
}

function camelCase(option: string): string {
  return option.replace(/-./g, (dash) => dash[1]!.toUpperCase());
}

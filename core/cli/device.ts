// `otb device`: devices on the LAN, as settings of the plugin that decides which way they go.
import { message } from "@optique/core/message";
import { multiple, optional, withDefault } from "@optique/core/modifiers";
import { argument, option } from "@optique/core/primitives";
import { choice, string } from "@optique/core/valueparser";
import { type Core, OtbError } from "../client/mod.ts";
import { change } from "./change.ts";
import { given, ifDead, yes } from "./options.ts";
import { pinningPatch, type PinningSettings, readPinning, type Rule } from "./pinning.ts";
import { table } from "./table.ts";
import { UsageError } from "./terminal.ts";
import { unknown } from "./unknown.ts";
import { group, verb } from "./verb.ts";

const deviceArgument = argument(string({ metavar: "DEVICE" }), {
  description: message`Its MAC address, name or IP address.`,
});

/** A device as the plugin tells of it. */
interface Device {
  mac: string;
  name: string | null;
  addresses: string[];
  groups: string[];
  whenPeerGone: string;
  rules: string[];
}

const list = verb("list", {
  brief: "List the devices that are known, with the rules that name them.",
  example: "sudo otb device list",
  options: {},
  run: (_, { print, withCore, terminal }) =>
    withCore(async (core) => {
      const devices = await known(core);
      print({ devices }, () =>
        devices.length === 0 ? "No device is known yet: they come with their first DHCP lease." : table(
          [
            { title: "DEVICE", shrink: true },
            { title: "MAC" },
            { title: "ADDRESSES", shrink: true },
            { title: "PEER GONE" },
            { title: "GROUPS", shrink: true },
            { title: "RULES", shrink: true },
          ],
          devices.map(({ mac, name, addresses, groups, whenPeerGone, rules }) => [
            name ?? "",
            mac,
            addresses.join(" "),
            whenPeerGone,
            groups.join(" "),
            rules.join(" "),
          ]),
          terminal.width,
        ));
    }),
});

const name = verb("name", {
  brief: "Give a device a name.",
  example: "sudo otb device name 00:11:22:aa:bb:cc tv",
  options: { device: deviceArgument, name: argument(string({ metavar: "NAME" })), yes },
  run: ({ device, name, yes }, cli) =>
    cli.withCore(async (core) => {
      const { mac, settings, revision } = await find(core, device);
      const former = settings.devices[mac]?.name;
      const rules = settings.rules.map((rule) =>
        former !== undefined && rule.match.device === former
          ? { ...rule, match: { ...rule.match, device: name } }
          : rule
      );
      await change(core, cli, {
        base: revision,
        done: `Device ${mac} is called "${name}"`,
        patch: pinningPatch({ devices: { [mac]: { name } }, ...former === undefined ? {} : { rules } }),
        yes,
      });
    }),
});

const set = verb("set", {
  brief: "Put a device into groups, or set what holds for it when the peer is gone.",
  example: "sudo otb device set laptop --when-peer-gone block",
  options: {
    device: deviceArgument,
    groups: multiple(option("--group", string({ metavar: "GROUP" }), {
      description: message`A group that it belongs to, in place of those before; may be given several times.`,
    })),
    whenPeerGone: optional(option("--when-peer-gone", choice(["direct", "block", "box"]), {
      description:
        message`direct: by the best link alone; block: a kill-switch, nothing leaves past the peer; box: as set for the box.`,
    })),
    yes,
  },
  run: ({ device, groups, whenPeerGone, yes }, cli) =>
    cli.withCore(async (core) => {
      const patch = {
        ...groups.length > 0 ? { groups: [...groups] } : {},
        ...whenPeerGone ? { whenPeerGone: whenPeerGone === "box" ? null : whenPeerGone } : {},
      };
      if (Object.keys(patch).length === 0) {
        throw new UsageError(
          `Cannot change device "${device}" as no setting was named`,
          "otb device set --help",
        );
      }
      const { mac, revision } = await find(core, device);
      await change(core, cli, {
        base: revision,
        done: `Device "${device}" changed`,
        patch: pinningPatch({ devices: { [mac]: patch } }),
        yes,
      });
    }),
});

const pin = verb("pin", {
  brief: "Have a device leave by one link alone, before all other rules.",
  example: "sudo otb device pin tv fibre --if-dead other-link",
  options: {
    device: deviceArgument,
    link: argument(string({ metavar: "LINK" })),
    ifDead: withDefault(ifDead, "bonded" as const),
    yes,
  },
  run: ({ device, link, ifDead, yes }, cli) =>
    cli.withCore(async (core) => {
      const { mac, settings, revision } = await find(core, device);
      const called = settings.devices[mac]?.name;
      const rule: Rule = {
        name: `pin-${called ?? mac.replaceAll(":", "")}`.slice(0, 31),
        match: { device: called ?? mac },
        way: "link",
        link,
        ifDead,
      };
      const rest = settings.rules.filter((other) => !isPin(other, mac, settings) && other.name !== rule.name);
      await change(core, cli, {
        base: revision,
        done: `Device "${device}" pinned to link "${link}"`,
        patch: pinningPatch({ rules: [rule, ...rest] }),
        yes,
      });
    }),
});

const unpin = verb("unpin", {
  brief: "Take back that a device leaves by one link alone.",
  example: "sudo otb device unpin tv",
  options: { device: deviceArgument, yes },
  run: ({ device, yes }, cli) =>
    cli.withCore(async (core) => {
      const { mac, settings, revision } = await find(core, device);
      const rules = settings.rules.filter((rule) => !isPin(rule, mac, settings));
      if (rules.length === settings.rules.length) {
        throw new OtbError(
          "device-not-pinned",
          `Cannot unpin device "${device}" as it must be pinned: current value is "no rule for it alone"`,
          "otb rule list",
        );
      }
      await change(core, cli, {
        base: revision,
        done: `Device "${device}" unpinned`,
        patch: pinningPatch({ rules }),
        yes,
      });
    }),
});

/** `otb device`. */
export const deviceVerbs = group(
  "device",
  "The devices on the LAN: names, groups, and the link one is pinned to.",
  [list, name, set, pin, unpin],
  "sudo otb device pin tv fibre",
);

/** Whether a rule sends this device, and nothing else, to a link. */
function isPin({ way, match }: Rule, mac: string, { devices }: PinningSettings): boolean {
  return way === "link" && Object.keys(given(match)).join() === "device" &&
    (match.device === mac || match.device === devices[mac]?.name);
}

/** Devices as the running plugin knows them, or those with settings while none runs. */
async function known(core: Core): Promise<Device[]> {
  const { settings } = await readPinning(core);
  if (core.live) return await core.act("device-pinning", "devices") as unknown as Device[];
  return Object.entries(settings.devices).map(([mac, { name, groups, whenPeerGone }]) => ({
    mac,
    name: name ?? null,
    addresses: [],
    groups: groups ?? [],
    whenPeerGone: whenPeerGone ?? settings.whenPeerGone,
    rules: settings.rules.filter(({ match }) =>
      match.device === mac || match.device === name && name !== undefined
    )
      .map(({ name }) => name),
  }));
}

/** @throws OtbError `device-unknown` */
async function find(core: Core, text: string) {
  const found = await readPinning(core);
  const wanted = text.toLowerCase();
  if (/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(wanted)) return { mac: wanted, ...found };
  const devices = await known(core);
  const device = devices.find(({ name }) => name?.toLowerCase() === wanted) ??
    devices.find(({ addresses }) => addresses.includes(wanted));
  if (device) return { mac: device.mac, ...found };
  throw unknown("device", text, devices.map(({ mac, name }) => name ?? mac), "a MAC address or one of");
}

// The devices on the LAN as a person names, groups and pins them: pure edits of the settings, and the list of all.
import * as z from "zod/mini";
import { action, type Block, edit, field, type Json, OtbError, unknown } from "@otb/plugin";
import type { Config, Rule } from "../config.ts";

/** A device as it is told of. */
export interface Device {
  mac: string;
  name: string | null;
  addresses: string[];
  groups: string[];
  whenPeerGone: string;
  rules: string[];
}

/** Who sees devices. */
interface Seer {
  devices(): Device[];
}

const DEVICE = field(z.string(), {
  positional: true,
  metavar: "DEVICE",
  description: "Its MAC address, name or IP address.",
});
const MAC = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/;
/** Edits look at the devices that the box sees. */
const look = "devices";

/** What a rule says for while its link is dead. */
export const ifDead = () =>
  field(z.optional(z.enum(["bonded", "other-link", "block"])), {
    description: "What new connections do while that link is dead: the bond, another link, or nothing.",
  });

/** `otb device list`. */
export const devices = action({
  title: "Devices",
  summary: "List the devices that are known, with the rules that name them.",
  verb: "device list",
  run: (seer: Seer) => plain({ devices: seer.devices() }),
  idle: (_, settings: Config) => plain({ devices: settingsOnly(settings) }),
  show: ({ devices }: { devices: Device[] }): Block[] => [{
    kind: "table",
    empty: "No device is known yet: they come with their first DHCP lease.",
    columns: [
      { title: "Device", shrink: true },
      "MAC",
      { title: "Addresses", shrink: true },
      "Peer gone",
      { title: "Groups", shrink: true },
      { title: "Rules", shrink: true },
    ],
    rows: devices.map(({ mac, name, addresses, groups, whenPeerGone, rules }) => [
      name ?? "",
      mac,
      addresses.join(" "),
      whenPeerGone,
      groups.join(" "),
      rules.join(" "),
    ]),
  }],
});

const name = edit({
  title: "Name a device",
  summary: "Give a device a name.",
  verb: "device name",
  example: "sudo otb device name 00:11:22:aa:bb:cc tv",
  args: z.strictObject({
    device: DEVICE,
    name: field(z.string(), { positional: true, metavar: "NAME" }),
  }),
  look,
  edit({ device, name }, settings: Config, looked) {
    const mac = macOf(device, looked);
    const former = settings.devices[mac]?.name;
    const rules = settings.rules.map((rule) =>
      former !== undefined && rule.match.device === former
        ? { ...rule, match: { ...rule.match, device: name } }
        : rule
    );
    return {
      patch: { devices: { [mac]: { name } }, ...former === undefined ? {} : { rules: plain(rules) } },
      done: `Device ${mac} is called "${name}"`,
    };
  },
});

const set = edit({
  title: "Change a device",
  summary: "Put a device into groups, or set what holds for it when the peer is gone.",
  verb: "device set",
  example: "sudo otb device set laptop --when-peer-gone block",
  args: z.strictObject({
    device: DEVICE,
    groups: field(z.optional(z.array(z.string())), {
      option: "--group",
      metavar: "GROUP",
      description: "A group that it belongs to, in place of those before; may be given several times.",
    }),
    whenPeerGone: field(z.optional(z.enum(["direct", "block", "box"])), {
      description:
        "direct: by the best link alone; block: a kill-switch, nothing leaves past the peer; box: as set for the box.",
    }),
  }),
  look,
  edit({ device, groups, whenPeerGone }, _settings: Config, looked) {
    if (!groups && !whenPeerGone) {
      throw new OtbError(
        "usage",
        `Cannot change device "${device}" as no setting was named`,
        "otb device set --help",
      );
    }
    const patch = {
      ...groups ? { groups } : {},
      ...whenPeerGone ? { whenPeerGone: whenPeerGone === "box" ? null : whenPeerGone } : {},
    };
    return { patch: { devices: { [macOf(device, looked)]: patch } }, done: `Device "${device}" changed` };
  },
});

const pin = edit({
  title: "Pin a device to a link",
  summary: "Have a device leave by one link alone, before all other rules.",
  verb: "device pin",
  example: "sudo otb device pin tv fibre --if-dead other-link",
  args: z.strictObject({
    device: DEVICE,
    link: field(z.string(), { positional: true, metavar: "LINK" }),
    ifDead: ifDead(),
  }),
  look,
  edit({ device, link, ifDead = "bonded" }, settings: Config, looked) {
    const mac = macOf(device, looked);
    const called = settings.devices[mac]?.name;
    const rule: Rule = {
      name: `pin-${called ?? mac.replaceAll(":", "")}`.slice(0, 31),
      enabled: true,
      match: { device: called ?? mac },
      way: "link",
      link,
      ifDead,
    };
    const rest = settings.rules.filter((other) => !isPin(other, mac, settings) && other.name !== rule.name);
    const { enabled: _, ...said } = rule;
    return {
      patch: { rules: plain([said, ...rest]) },
      done: `Device "${device}" pinned to link "${link}"`,
    };
  },
});

const unpin = edit({
  title: "Unpin a device",
  summary: "Take back that a device leaves by one link alone.",
  verb: "device unpin",
  example: "sudo otb device unpin tv",
  args: z.strictObject({ device: DEVICE }),
  look,
  edit({ device }, settings: Config, looked) {
    const mac = macOf(device, looked);
    const rules = settings.rules.filter((rule) => !isPin(rule, mac, settings));
    if (rules.length === settings.rules.length) {
      throw new OtbError(
        "device-not-pinned",
        `Cannot unpin device "${device}" as it must be pinned: current value is "no rule for it alone"`,
        "otb rule list",
      );
    }
    return { patch: { rules: plain(rules) }, done: `Device "${device}" unpinned` };
  },
});

/** Everything that a person changes about a device. */
export const deviceEdits = {
  "device-name": name,
  "device-set": set,
  "device-pin": pin,
  "device-unpin": unpin,
};

/** What help says of `otb device`. */
export const deviceGroup = {
  summary: "The devices on the LAN: names, groups, and the link one is pinned to.",
  example: "sudo otb device pin tv fibre",
};

/** Settings as the data that a patch is. */
export function plain(value: unknown): Json {
  return JSON.parse(JSON.stringify(value));
}

/** Whether a rule sends this device, and nothing else, to a link. */
function isPin({ way, match }: Rule, mac: string, { devices }: Config): boolean {
  const looksAt = Object.entries(match).filter(([, value]) => value !== undefined).map(([part]) => part);
  return way === "link" && looksAt.join() === "device" &&
    (match.device === mac || match.device === devices[mac]?.name);
}

/** Devices as the settings know them, while nobody sees the LAN. */
function settingsOnly({ devices, rules, whenPeerGone }: Config): Device[] {
  return Object.entries(devices).map(([mac, { name, groups, whenPeerGone: own }]) => ({
    mac,
    name: name ?? null,
    addresses: [],
    groups,
    whenPeerGone: own ?? whenPeerGone,
    rules: rules.filter(({ match }) => match.device === mac || match.device === name && name !== undefined)
      .map(({ name }) => name),
  }));
}

/** @throws OtbError `device-unknown` */
function macOf(text: string, looked: Json | undefined): string {
  const wanted = text.toLowerCase();
  if (MAC.test(wanted)) return wanted;
  const { devices } = (looked ?? { devices: [] }) as unknown as { devices: Device[] };
  const device = devices.find(({ name }) => name?.toLowerCase() === wanted) ??
    devices.find(({ addresses }) => addresses.includes(wanted));
  if (device) return device.mac;
  throw unknown("device", text, devices.map(({ mac, name }) => name ?? mac), "a MAC address or one of");
}

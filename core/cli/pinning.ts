// What `otb device` and `otb rule` share: the settings of the plugin device-pinning.
import { type Core, type Json, OtbError } from "../client/mod.ts";
import type { Patch } from "./change.ts";

/** One rule as it is set. */
export interface Rule {
  name: string;
  enabled?: boolean;
  match: {
    device?: string;
    group?: string;
    domains?: string[];
    addresses?: string[];
    protocol?: string;
    ports?: string[];
    application?: string;
  };
  way: string;
  link?: string;
  ifDead?: string;
}

/** The settings that these verbs look at. */
export interface PinningSettings {
  whenPeerGone: string;
  devices: { [mac: string]: { name?: string; groups?: string[]; whenPeerGone?: string } };
  rules: Rule[];
}

/** The settings with the revision they are of. @throws OtbError `plugin-unknown` where this role has no such plugin */
export async function readPinning(core: Core): Promise<{ settings: PinningSettings; revision: number }> {
  const { effective, revision } = await core.config();
  const settings = effective.plugins["device-pinning"];
  if (settings === undefined) {
    throw new OtbError(
      "plugin-unknown",
      'Cannot look at devices as only a box with the plugin "device-pinning" knows them',
      "otb plugin list",
    );
  }
  return { settings: settings as unknown as PinningSettings, revision };
}

/** A patch of these settings. */
export function pinningPatch(settings: object): Patch {
  return { plugins: { "device-pinning": settings as { [key: string]: Json } } };
}
